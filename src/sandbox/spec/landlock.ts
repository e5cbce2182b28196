// SPDX-License-Identifier: Apache-2.0
import { documentShelf } from "../../metadata/documents.ts";
import { libraryShelf } from "../../metadata/library.ts";
import type { LandlockPlan } from "../plan/types.ts";
import { isBelow } from "./filesystems.ts";
import type { SpecificationMount } from "./types.ts";

// Rights of linux/landlock.h that change something. Reading is not among them: what can be seen may be read.
const writeFile = 1 << 1;
const truncate = 1 << 14;
const removing = (1 << 4) | (1 << 5);
/** Character devices, folders, files, sockets, fifos, block devices, symbolic links. */
const making = 0b1111111 << 6;
const refer = 1 << 13;
const ioctlDevice = 1 << 15;
const changing = writeFile | truncate | removing | making | refer | ioctlDevice;

const abstractSockets = 1;
const signals = 2;

/** What a mount lets the app change. */
function accessOf(mount: SpecificationMount, sealed: ReadonlySet<string>): number {
  if (sealed.has(mount.target)) return 0;
  if (mount.kind === "tmpfs" || mount.kind === "dev") return changing;
  if (mount.kind === "proc") return writeFile | truncate;
  if (mount.kind !== "bind") return 0;
  if (mount.access === "rw") return changing;
  return mount.devices === true ? writeFile | ioctlDevice : 0;
}

/**
 * A second wall: below what the mounts make writable everything can be changed, elsewhere nothing, by the kernel's own
 * check. An app that makes namespaces must be able to mount, which rules on files forbid. Abstract sockets stay within
 * reach where the app may use the display or bus that could be behind one.
 */
export function landlockOf(
  mounts: readonly SpecificationMount[],
  options: { readonly nested: boolean; readonly abstractSockets: boolean },
): LandlockPlan {
  const scopes = signals | (options.abstractSockets ? 0 : abstractSockets);
  if (options.nested) return { handled: 0, scopes, rules: [] };
  // These are sealed, but what is shown there later can be for writing.
  const shelves = [documentShelf, libraryShelf];
  const isSealed = ({ kind, target }: SpecificationMount): boolean => kind === "seal" && !shelves.includes(target);
  const sealed = new Set(mounts.filter(isSealed).map(({ target }) => target));
  const given = new Map<string, number>();
  for (const mount of mounts) {
    const access = accessOf(mount, sealed);
    if (access !== 0) given.set(mount.target, access | (given.get(mount.target) ?? 0));
  }
  const isCovered = (path: string, access: number) =>
    [...given].some(([above, more]) => above !== path && isBelow(path, above) && (access & ~more) === 0);
  const rules = [...given].map(([path, access]) => ({ path, access }));
  return { handled: changing, scopes, rules: rules.filter(({ path, access }) => !isCovered(path, access)) };
}
