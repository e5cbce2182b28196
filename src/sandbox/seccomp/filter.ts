// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { SeccompVariant } from "../spec/types.ts";
import { assemble, type Fragment, ifAtLeast, ifEqual, load, offsets, RET_ALLOW, RET_KILL_PROCESS, ret } from "./bpf.ts";
import { rulesFor } from "./rules.ts";
import { auditArchitectures, type SeccompArchitecture, type SyscallName, syscallNumberOn } from "./tables.ts";

const x32Bit = 0x40000000;
const noSyscall = 0xffffffff;

const sections: ReadonlyMap<string, { own: SeccompArchitecture; secondary: SeccompArchitecture }> = new Map([
  ["x86_64", { own: "x86_64", secondary: "i386" }],
  ["i386", { own: "x86_64", secondary: "i386" }],
  ["aarch64", { own: "aarch64", secondary: "arm" }],
  ["arm", { own: "aarch64", secondary: "arm" }],
]);

type Entry = readonly [number: number, rule: Fragment];

/** A binary search over the sorted numbers; a number that is not among them is allowed. */
function search(entries: readonly Entry[]): Fragment {
  const middle = entries.length >> 1;
  const entry = entries[middle];
  if (entry === undefined) return ret(RET_ALLOW);
  if (entries.length === 1) return ifEqual(entry[0], entry[1], ret(RET_ALLOW));
  return ifAtLeast(entry[0], search(entries.slice(middle)), search(entries.slice(0, middle)));
}

function section(architecture: SeccompArchitecture, rules: ReadonlyMap<SyscallName, Fragment>): Fragment {
  const entries = [...rules]
    .flatMap(([name, rule]): Entry[] => {
      const number = syscallNumberOn(architecture, name);
      return number === undefined ? [] : [[number, rule]];
    })
    .sort(([left], [right]) => left - right);
  const tree = search(entries);
  const kill = ret(RET_KILL_PROCESS);
  // A tracer writes number -1 to skip a call; other numbers with the bit are x32 calls, which no table here covers.
  const x32 = ifEqual(noSyscall, ret(RET_ALLOW), kill);
  return [load(offsets.number), ...(architecture === "x86_64" ? ifAtLeast(x32Bit, x32, tree) : tree)];
}

/**
 * The seccomp filter of a sandbox as an array of `struct sock_filter`: Flatpak's list by default allow. Calls of other
 * architectures kill the process. Throws `UNSUPPORTED` for an architecture without a table.
 */
export function buildFilter(variant: SeccompVariant): Uint8Array {
  const pair = sections.get(variant.arch);
  if (pair === undefined) {
    throw new DowelError("UNSUPPORTED", `There is no system call table for the architecture ${variant.arch}`);
  }
  const architectures = variant.multiarch || variant.arch === pair.secondary ? [pair.own, pair.secondary] : [pair.own];
  const rules = rulesFor(variant);
  const program = architectures.reduceRight<Fragment>(
    (rest, name) => ifEqual(auditArchitectures[name], section(name, rules), rest),
    ret(RET_KILL_PROCESS),
  );
  return assemble([load(offsets.architecture), ...program]);
}
