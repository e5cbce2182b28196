// SPDX-License-Identifier: Apache-2.0
import type { SeccompVariant } from "../spec/types.ts";
import { and, type Fragment, ifEqual, load, offsets, RET_ALLOW, ret, retErrno } from "./bpf.ts";
import type { SyscallName } from "./tables.ts";

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

const CLONE_NEWUSER = 0x10000000;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const SYS_SOCKET = 1;
const PER_LINUX = 0;
const PER_LINUX32 = 8;

/** AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. */
const allowedFamilies = [0, 1, 2, 10, 16];
const AF_CAN = 29;
const AF_BLUETOOTH = 31;

const refused: readonly SyscallName[] = [
  "syslog",
  "uselib",
  "acct",
  "quotactl",
  "add_key",
  "keyctl",
  "request_key",
  "move_pages",
  "mbind",
  "get_mempolicy",
  "set_mempolicy",
  "migrate_pages",
];

/** What makes and fills namespaces. */
const namespaces: readonly SyscallName[] = ["unshare", "setns", "mount", "umount", "umount2", "pivot_root", "chroot"];

/** Programs that meet ENOSYS here use the older calls, which the filter can judge (CVE-2021-41133). */
const unknown: readonly SyscallName[] = ["clone3"];

const unknownMounts: readonly SyscallName[] = [
  "open_tree",
  "move_mount",
  "fsopen",
  "fsconfig",
  "fsmount",
  "fspick",
  "mount_setattr",
];

const allow = ret(RET_ALLOW);
const refuse = retErrno(EPERM);

/** Flags of clone(2) are its first argument on the architectures that tables.ts knows. */
const cloneRule: Fragment = [load(offsets.low(0)), and(CLONE_NEWUSER), ...ifEqual(CLONE_NEWUSER, refuse, allow)];

/** The kernel takes only the low half of the request (CVE-2019-10063). TIOCSTI: CVE-2017-5226; TIOCLINUX: CVE-2023-28100. */
const ioctlRule: Fragment = [load(offsets.low(1)), ...ifEqual(TIOCSTI, refuse, ifEqual(TIOCLINUX, refuse, allow))];

/** Any bit in the high half makes a value that is none of those allowed. */
function onlyLow(argument: number, otherwise: Fragment, rest: Fragment): Fragment {
  return [load(offsets.high(argument)), ...ifEqual(0, [load(offsets.low(argument)), ...rest], otherwise)];
}

function personalityRule(arch: string): Fragment {
  const allowed = arch === "i386" || arch === "arm" ? PER_LINUX32 : PER_LINUX;
  return onlyLow(0, refuse, ifEqual(allowed, allow, refuse));
}

function socketRule(variant: SeccompVariant): Fragment {
  const families = [...allowedFamilies];
  if (variant.canbus) families.push(AF_CAN);
  if (variant.bluetooth) families.push(AF_BLUETOOTH);
  const other = retErrno(EAFNOSUPPORT);
  const check = families.reduceRight<Fragment>((rest, family) => ifEqual(family, allow, rest), other);
  return onlyLow(0, other, check);
}

/** The family lies in memory that a filter cannot read; programs that meet the error use socket(2) itself. */
const socketcallRule: Fragment = [load(offsets.low(0)), ...ifEqual(SYS_SOCKET, retErrno(EAFNOSUPPORT), allow)];

/**
 * What each judged system call comes to; all others are allowed. Flatpak's list; with `userns` without what it has
 * against namespaces, whose number the launcher bounds.
 */
export function rulesFor(variant: SeccompVariant): ReadonlyMap<SyscallName, Fragment> {
  const rules = new Map<SyscallName, Fragment>();
  for (const name of refused) rules.set(name, refuse);
  for (const name of unknown) rules.set(name, retErrno(ENOSYS));
  if (variant.userns !== true) {
    for (const name of namespaces) rules.set(name, refuse);
    for (const name of unknownMounts) rules.set(name, retErrno(ENOSYS));
    rules.set("clone", cloneRule);
  }
  rules.set("ioctl", ioctlRule);
  rules.set("socket", socketRule(variant));
  rules.set("socketcall", socketcallRule);
  if (!variant.multiarch) rules.set("modify_ldt", refuse);
  if (!variant.devel) {
    rules.set("perf_event_open", refuse);
    rules.set("ptrace", refuse);
    rules.set("personality", personalityRule(variant.arch));
  }
  return rules;
}
