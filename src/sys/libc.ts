// SPDX-License-Identifier: Apache-2.0
import { dlopen, FFIType, ptr, read } from "bun:ffi";
import { constants } from "node:os";

const { i32, u32, i64_fast, pointer } = FFIType;

/** The C library's functions that Dowel calls. Fixed signatures only; what libc does not wrap goes through `syscall`. */
const libc = dlopen("libc.so.6", {
  __errno_location: { args: [], returns: pointer },
  syscall: { args: [i64_fast, i64_fast, i64_fast, i64_fast, i64_fast, i64_fast], returns: i64_fast },
  flock: { args: [i32, i32], returns: i32 },
  sync_file_range: { args: [i32, i64_fast, i64_fast, u32], returns: i32 },
  syncfs: { args: [i32], returns: i32 },
  statx: { args: [i32, pointer, i32, u32, pointer], returns: i32 },
  ioctl: { args: [i32, i64_fast, pointer], returns: i32 },
  fcntl: { args: [i32, i32, i64_fast], returns: i32 },
  memfd_create: { args: [pointer, u32], returns: i32 },
  execve: { args: [pointer, pointer, pointer], returns: i32 },
  umount2: { args: [pointer, i32], returns: i32 },
  epoll_create1: { args: [i32], returns: i32 },
  epoll_ctl: { args: [i32, i32, i32, i64_fast], returns: i32 },
  epoll_wait: { args: [i32, i64_fast, i32, i32], returns: i32 },
  timerfd_create: { args: [i32, i32], returns: i32 },
  timerfd_settime: { args: [i32, i32, pointer, pointer], returns: i32 },
  inotify_init1: { args: [i32], returns: i32 },
  inotify_add_watch: { args: [i32, pointer, u32], returns: i32 },
  socket: { args: [i32, i32, i32], returns: i32 },
  socketpair: { args: [i32, i32, i32, pointer], returns: i32 },
  bind: { args: [i32, pointer, u32], returns: i32 },
  listen: { args: [i32, i32], returns: i32 },
  connect: { args: [i32, pointer, u32], returns: i32 },
  accept4: { args: [i32, pointer, pointer, i32], returns: i32 },
  getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  send: { args: [i32, i64_fast, i64_fast, i32], returns: i64_fast },
  sendmsg: { args: [i32, i64_fast, i32], returns: i64_fast },
  recvmsg: { args: [i32, i64_fast, i32], returns: i64_fast },
  pipe2: { args: [pointer, i32], returns: i32 },
  splice: { args: [i32, pointer, i32, pointer, i64_fast, u32], returns: i64_fast },
  madvise: { args: [i64_fast, i64_fast, i32], returns: i32 },
  setrlimit: { args: [i32, pointer], returns: i32 },
  getrlimit: { args: [i32, pointer], returns: i32 },
}).symbols;

/** System call numbers that every architecture shares (asm-generic, 424 and above). */
export const syscallNumber = {
  pidfdSendSignal: 424,
  moveMount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  pidfdOpen: 434,
  openat2: 437,
  landlockCreateRuleset: 444,
} as const;

/** EWOULDBLOCK and ENOTSUP share numbers with EAGAIN and EOPNOTSUPP; the last writer wins, so those come last. */
const errnoNames: ReadonlyMap<number, string> = new Map([
  ...Object.entries(constants.errno).map(([name, value]) => [value, name] as const),
  [15, "ENOTBLK"],
  [constants.errno.EAGAIN, "EAGAIN"],
  [constants.errno.EOPNOTSUPP, "EOPNOTSUPP"],
]);

/** An error in the form that `node:fs` throws: `code` is the errno's name. */
export interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly path?: string;
}

/** errno of the call just made. */
export function lastErrno(): number {
  const location = libc.__errno_location();
  return location === null ? 0 : read.i32(location, 0);
}

export function systemError(errno: number, syscall: string, path: string | undefined): SystemError {
  const code = errnoNames.get(errno) ?? `E${errno}`;
  const error = new Error(`${code}: ${syscall}${path === undefined ? "" : ` '${path}'`}`);
  return Object.assign(error, path === undefined ? { code, errno, syscall } : { code, errno, syscall, path });
}

/**
 * Calls and retries on EINTR, which the engine's own thread signals cause often; throws a `SystemError` where the
 * call answers -1.
 */
export function check(syscall: string, path: string | undefined, call: () => number | bigint): number {
  for (;;) {
    const result = Number(call());
    if (result >= 0) return result;
    const errno = lastErrno();
    if (errno !== constants.errno.EINTR) throw systemError(errno, syscall, path);
  }
}

/** A NUL-terminated copy of a text in memory that does not move. Keep it referenced until the call is over. */
export function cString(text: string): Uint8Array {
  const bytes = Buffer.from(text, "utf8");
  const result = new Uint8Array(new ArrayBuffer(bytes.length + 1));
  result.set(bytes);
  return result;
}

/** The address of a buffer for a `syscall` argument; 0 for none. */
export function address(buffer: Uint8Array | undefined): number {
  return buffer === undefined ? 0 : ptr(buffer);
}

/** A raw system call with up to five arguments. */
export function syscall(number: number, a = 0, b = 0, c = 0, d = 0, e = 0): number | bigint {
  return libc.syscall(number, a, b, c, d, e);
}

export { libc, ptr };
