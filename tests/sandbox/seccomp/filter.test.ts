// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildFilter } from "../../../src/sandbox/seccomp/filter.ts";
import { auditArchitectures } from "../../../src/sandbox/seccomp/tables.ts";
import type { SeccompVariant } from "../../../src/sandbox/spec/types.ts";
import { type Call, nameAction, runFilter, traceFilter } from "./interpreter.ts";

const plain: SeccompVariant = { arch: "x86_64", devel: false, multiarch: false, bluetooth: false, canbus: false };
const { x86_64, i386, aarch64, arm } = auditArchitectures;

function answer(
  variant: Partial<SeccompVariant>,
  number: number,
  args: readonly bigint[] = [],
  architecture: number = x86_64,
): string {
  return nameAction(runFilter(buildFilter({ ...plain, ...variant }), { architecture, number, arguments: args }));
}

describe("buildFilter()", () => {
  test.each([
    ["mount", {}, 165, [], "errno 1"],
    ["unshare", {}, 272, [], "errno 1"],
    ["clone3", {}, 435, [], "errno 38"],
    ["open_tree", {}, 428, [], "errno 38"],
    ["clone for a thread", {}, 56, [0x3d0f00n], "allow"],
    ["clone with a user namespace", {}, 56, [0x10000011n], "errno 1"],
    ["ioctl TIOCSTI", {}, 16, [0n, 0x5412n], "errno 1"],
    ["ioctl TIOCSTI with high bits", {}, 16, [0n, 0x1_0000_5412n], "errno 1"],
    ["ioctl TIOCLINUX", {}, 16, [0n, 0x541cn], "errno 1"],
    ["ioctl TCGETS", {}, 16, [0n, 0x5401n], "allow"],
    ["socket of IPv4", {}, 41, [2n], "allow"],
    ["socket of AF_ALG", {}, 41, [38n], "errno 97"],
    ["socket of IPv4 with high bits", {}, 41, [0x1_0000_0002n], "errno 97"],
    ["socket of Bluetooth", {}, 41, [31n], "errno 97"],
    ["socket of Bluetooth with the feature", { bluetooth: true }, 41, [31n], "allow"],
    ["socket of CAN with the feature", { canbus: true }, 41, [29n], "allow"],
    ["ptrace", {}, 101, [], "errno 1"],
    ["ptrace for developers", { devel: true }, 101, [], "allow"],
    ["personality of Linux", {}, 135, [0n], "allow"],
    ["personality without address randomisation", {}, 135, [0x40000n], "errno 1"],
    ["modify_ldt", {}, 154, [], "errno 1"],
    ["modify_ldt with multiarch", { multiarch: true }, 154, [], "allow"],
    ["read", {}, 0, [], "allow"],
    ["a number past every table", {}, 100_000, [], "allow"],
    ["an x32 call", {}, 0x40000000 | 1, [], "kill"],
    ["the number of a skipped call", {}, -1, [], "allow"],
  ] as const)("buildFilter() judges %s", (_name, variant, number, args, expected) => {
    expect(answer(variant, number, args)).toBe(expected);
  });

  test("buildFilter() kills calls of other architectures, unless multiarch is given", () => {
    expect(answer({}, 3, [], i386)).toBe("kill");
    expect(answer({ multiarch: true }, 3, [], i386)).toBe("allow");
    expect(answer({ multiarch: true }, 21, [], i386)).toBe("errno 1");
    expect(answer({ multiarch: true }, 3, [], aarch64)).toBe("kill");
    expect(answer({ arch: "i386" }, 136, [8n], i386)).toBe("allow");
    expect(answer({ arch: "aarch64", multiarch: true }, 21, [], arm)).toBe("errno 1");
  });

  test("buildFilter() refuses an architecture without a table", () => {
    expect(() => buildFilter({ ...plain, arch: "riscv64" })).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED", message: expect.stringContaining("riscv64") }),
    );
  });
});

const low = [
  0n,
  1n,
  2n,
  3n,
  8n,
  10n,
  16n,
  28n,
  29n,
  30n,
  31n,
  32n,
  38n,
  44n,
  0x5412n,
  0x541cn,
  0x5401n,
  0x10000000n,
  0x30000011n,
  0xffffffffn,
];
const high = [0n, 1n << 32n, 0xffffffffn << 32n];

/** Every number of a system call with arguments that matter to one of the rules. */
function* calls(architecture: number, wide: boolean): Generator<Call> {
  const numbers = [...Array.from({ length: 513 }, (_, index) => index), 0x3fffffff, -1];
  if (architecture === x86_64) numbers.push(0x40000000, 0x40000029, 0x7fffffff);
  for (const number of numbers) {
    for (const part of wide ? high : [0n]) {
      for (const value of low) yield { architecture, number, arguments: [value | part, value | part] };
      for (const value of low) yield { architecture, number, arguments: [0n, value | part] };
    }
  }
}

describe("buildFilter() beside libseccomp", () => {
  let folder = "";

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dowel-seccomp-"));
    execFileSync("gcc", [join(import.meta.dir, "peer.c"), "-o", join(folder, "peer"), "-D_GNU_SOURCE", "-lseccomp"]);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function peer(variant: SeccompVariant): Uint8Array {
    const flags = [variant.devel, variant.multiarch, variant.bluetooth, variant.canbus];
    return execFileSync(join(folder, "peer"), [variant.arch, ...flags.map((flag) => (flag ? "1" : "0"))]);
  }

  const variants: SeccompVariant[] = [
    plain,
    { ...plain, devel: true },
    { ...plain, multiarch: true, bluetooth: true },
    { ...plain, devel: true, multiarch: true, canbus: true },
    { ...plain, arch: "aarch64" },
    { ...plain, arch: "aarch64", multiarch: true, bluetooth: true, canbus: true },
  ];

  test.each(variants)("buildFilter() answers every call as libseccomp's filter does: %o", (variant) => {
    const ours = buildFilter(variant);
    const theirs = peer(variant);
    const differences: string[] = [];
    for (const [name, architecture] of Object.entries(auditArchitectures)) {
      for (const call of calls(architecture, name === "x86_64" || name === "aarch64")) {
        const [mine, other] = [nameAction(runFilter(ours, call)), nameAction(runFilter(theirs, call))];
        if (mine !== other) differences.push(`${name} ${call.number} ${call.arguments}: ${mine}, libseccomp ${other}`);
      }
    }
    expect(differences).toEqual([]);
  });

  test.each(variants)("buildFilter() needs fewer instructions for a call than libseccomp's filter: %o", (variant) => {
    const architecture = variant.arch === "aarch64" ? aarch64 : x86_64;
    const steps = (program: Uint8Array) => {
      const numbers = Array.from({ length: 460 }, (_, number) => number);
      const counts = numbers.map((number) => traceFilter(program, { architecture, number, arguments: [] }).steps);
      return { sum: counts.reduce((sum, count) => sum + count, 0), most: Math.max(...counts) };
    };
    const [ours, theirs] = [steps(buildFilter(variant)), steps(peer(variant))];
    expect(ours.sum).toBeLessThan(theirs.sum);
    expect(ours.most).toBeLessThan(theirs.most);
  });
});
