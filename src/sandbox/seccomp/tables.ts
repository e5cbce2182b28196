// SPDX-License-Identifier: Apache-2.0

/** Architectures as the kernel's audit code names them (linux/audit.h). */
export const auditArchitectures = {
  x86_64: 0xc000003e,
  i386: 0x40000003,
  aarch64: 0xc00000b7,
  arm: 0x40000028,
} as const;

export type SeccompArchitecture = keyof typeof auditArchitectures;

type Numbers = readonly [
  x86_64: number | undefined,
  i386: number | undefined,
  aarch64: number | undefined,
  arm: number | undefined,
];

/** Numbers of the system calls that the filter knows (the kernel's syscall tables). */
const numbers = {
  syslog: [103, 103, 116, 103],
  uselib: [134, 86, undefined, 86],
  acct: [163, 51, 89, 51],
  quotactl: [179, 131, 60, 131],
  add_key: [248, 286, 217, 309],
  request_key: [249, 287, 218, 310],
  keyctl: [250, 288, 219, 311],
  move_pages: [279, 317, 239, 344],
  mbind: [237, 274, 235, 319],
  get_mempolicy: [239, 275, 236, 320],
  set_mempolicy: [238, 276, 237, 321],
  migrate_pages: [256, 294, 238, 400],
  unshare: [272, 310, 97, 337],
  setns: [308, 346, 268, 375],
  mount: [165, 21, 40, 21],
  umount: [undefined, 22, undefined, undefined],
  umount2: [166, 52, 39, 52],
  pivot_root: [155, 217, 41, 218],
  chroot: [161, 61, 51, 61],
  clone: [56, 120, 220, 120],
  ioctl: [16, 54, 29, 54],
  open_tree: [428, 428, 428, 428],
  move_mount: [429, 429, 429, 429],
  fsopen: [430, 430, 430, 430],
  fsconfig: [431, 431, 431, 431],
  fsmount: [432, 432, 432, 432],
  fspick: [433, 433, 433, 433],
  clone3: [435, 435, 435, 435],
  mount_setattr: [442, 442, 442, 442],
  perf_event_open: [298, 336, 241, 364],
  ptrace: [101, 26, 117, 26],
  personality: [135, 136, 92, 136],
  modify_ldt: [154, 123, undefined, undefined],
  socket: [41, 359, 198, 281],
  socketcall: [undefined, 102, undefined, undefined],
} as const satisfies Readonly<Record<string, Numbers>>;

export type SyscallName = keyof typeof numbers;

const columns = Object.keys(auditArchitectures);

/** The number of a system call; undefined where the architecture does not have it. */
export function syscallNumberOn(architecture: SeccompArchitecture, name: SyscallName): number | undefined {
  return numbers[name][columns.indexOf(architecture)];
}
