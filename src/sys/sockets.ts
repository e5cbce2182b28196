// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { check, lastErrno, libc, ptr } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const RLIMIT_NOFILE = 7;
const backlog = 4096;
/** `sun_path` of `struct sockaddr_un`. */
const pathBytes = 108;

/** A path, or a name in the abstract namespace without its leading NUL (unix(7)). */
export type UnixAddress = { readonly path: string } | { readonly abstract: string };

/** `struct sockaddr_un`, as long as the name needs. */
function socketAddress(where: UnixAddress): Uint8Array {
  const name = Buffer.from("path" in where ? `${where.path}\0` : `\0${where.abstract}`);
  if (name.length > pathBytes) {
    throw Object.assign(new Error(`ENAMETOOLONG: the name of a socket has at most ${pathBytes - 1} bytes`), {
      code: "ENAMETOOLONG",
    });
  }
  const bytes = new Uint8Array(new ArrayBuffer(2 + name.length));
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(name, 2);
  return bytes;
}

function nameOf(where: UnixAddress): string {
  return "path" in where ? where.path : `@${where.abstract}`;
}

function openSocket(type: number, prepare: (fd: number) => void): number {
  const fd = check("socket", undefined, () => libc.socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  try {
    prepare(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Packets keep their borders, streams do not. */
export type SocketKind = "stream" | "packets";

function typeOf(kind: SocketKind): number {
  return kind === "stream" ? SOCK_STREAM : SOCK_SEQPACKET;
}

/** A socket that listens, not blocking; the caller closes it. Throws a `SystemError`. */
export function listenUnix(where: UnixAddress, kind: SocketKind = "stream"): number {
  const address = socketAddress(where);
  return openSocket(typeOf(kind) | SOCK_NONBLOCK, (fd) => {
    check("bind", nameOf(where), () => libc.bind(fd, ptr(address), address.length));
    check("listen", nameOf(where), () => libc.listen(fd, backlog));
  });
}

/** A connected socket; the caller closes it. Waits where the listener's queue is full. Throws a `SystemError`. */
export function connectUnix(where: UnixAddress, kind: SocketKind = "stream"): number {
  const address = socketAddress(where);
  return openSocket(typeOf(kind), (fd) => {
    check("connect", nameOf(where), () => libc.connect(fd, ptr(address), address.length));
  });
}

/** The next connection of a listening socket, or undefined where there is none now. Throws a `SystemError`. */
export function acceptUnix(listener: number): number | undefined {
  const fd = libc.accept4(listener, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) return fd;
  const { EAGAIN, EINTR, ECONNABORTED } = constants.errno;
  if ([EAGAIN, EINTR, ECONNABORTED].includes(lastErrno())) return undefined;
  return check("accept4", undefined, () => libc.accept4(listener, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

/** Lets no call wait at a socket that another process opened (`O_NONBLOCK`). */
export function neverBlock(fd: number): void {
  check("fcntl", undefined, () => libc.fcntl(fd, F_SETFL, SOCK_NONBLOCK));
}

/** Two connected sockets; the caller closes both. */
export function socketPair(kind: SocketKind): readonly [number, number] {
  const pair = new Int32Array(new ArrayBuffer(8));
  const type = typeOf(kind) | SOCK_CLOEXEC;
  check("socketpair", undefined, () => libc.socketpair(AF_UNIX, type, 0, ptr(pair)));
  return [pair[0] ?? -1, pair[1] ?? -1];
}

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Who called connect(2) or listen(2) at the other end (SO_PEERCRED). */
export function peerCredentials(fd: number): PeerCredentials {
  const found = new Int32Array(new ArrayBuffer(12));
  const length = new Uint32Array([found.byteLength]);
  check("getsockopt", undefined, () => libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ptr(found), ptr(length)));
  return { pid: found[0] ?? 0, uid: (found[1] ?? 0) >>> 0, gid: (found[2] ?? 0) >>> 0 };
}

/** Lets this process have as many descriptors as it may (RLIMIT_NOFILE); returns how many. */
export function raiseDescriptorLimit(): number {
  const limit = new BigUint64Array(new ArrayBuffer(16));
  check("getrlimit", undefined, () => libc.getrlimit(RLIMIT_NOFILE, ptr(limit)));
  limit[0] = limit[1] ?? 0n;
  check("setrlimit", undefined, () => libc.setrlimit(RLIMIT_NOFILE, ptr(limit)));
  return Number(limit[0]);
}
