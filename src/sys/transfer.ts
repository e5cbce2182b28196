// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { check, lastErrno, libc, ptr } from "./libc.ts";

const MSG_CTRUNC = 8;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const F_DUPFD_CLOEXEC = 1030;
/** What the kernel passes in one message (SCM_MAX_FD). */
const descriptorsPerMessage = 253;
const controlHeader = 16;
const { EAGAIN, EINTR } = constants.errno;

/** What a transfer answers where no bytes moved. */
export const wouldBlock = -1;
export const broken = -2;

/** Memory that does not move, with its address. */
export class FixedBuffer {
  readonly bytes: Uint8Array;
  readonly address: number;

  constructor(size: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(size));
    this.address = ptr(this.bytes);
  }
}

/** `struct msghdr` with one `struct iovec` and room for descriptors, as 64-bit machines lay them out. */
class MessageFrame {
  readonly #words = new Uint32Array(new ArrayBuffer(72));
  readonly #control = new FixedBuffer(controlHeader + 4 * 256);
  readonly #controlView = new DataView(this.#control.bytes.buffer);
  readonly address = ptr(this.#words);

  constructor() {
    this.#pointer(4, this.address + 56);
    this.#words[6] = 1;
    this.#pointer(8, this.#control.address);
  }

  #pointer(word: number, address: number): void {
    this.#words[word] = address >>> 0;
    this.#words[word + 1] = Math.floor(address / 2 ** 32);
  }

  prepare(address: number, length: number, controlLength: number): void {
    this.#pointer(14, address);
    this.#words[16] = length;
    this.#words[10] = controlLength;
    this.#words[12] = 0;
  }

  get roomForControl(): number {
    return this.#control.bytes.length;
  }

  get truncated(): boolean {
    return ((this.#words[12] ?? 0) & MSG_CTRUNC) !== 0;
  }

  putDescriptors(descriptors: readonly number[]): number {
    const length = controlHeader + 4 * descriptors.length;
    this.#controlView.setUint32(0, length, true);
    this.#controlView.setUint32(4, 0, true);
    this.#controlView.setInt32(8, SOL_SOCKET, true);
    this.#controlView.setInt32(12, SCM_RIGHTS, true);
    descriptors.forEach((fd, index) => {
      this.#controlView.setInt32(controlHeader + 4 * index, fd, true);
    });
    return Math.ceil(length / 8) * 8;
  }

  takeDescriptors(into: number[]): void {
    const end = this.#words[10] ?? 0;
    for (let at = 0; at + controlHeader <= end; ) {
      const length = this.#controlView.getUint32(at, true);
      const rights =
        this.#controlView.getInt32(at + 8, true) === SOL_SOCKET &&
        this.#controlView.getInt32(at + 12, true) === SCM_RIGHTS;
      for (let one = at + controlHeader; rights && one + 4 <= at + length; one += 4) {
        into.push(this.#controlView.getInt32(one, true));
      }
      at += Math.max(controlHeader, Math.ceil(length / 8) * 8);
    }
  }
}

const frame = new MessageFrame();

/** A second descriptor for the same open file, with a number from `least` on; the caller closes it (F_DUPFD_CLOEXEC). Throws a `SystemError`. */
export function duplicateDescriptor(fd: number, least = 3): number {
  return check("fcntl", undefined, () => libc.fcntl(fd, F_DUPFD_CLOEXEC, least));
}

export function closeDescriptors(descriptors: readonly number[]): void {
  for (const fd of descriptors) closeSync(fd);
}

/**
 * Receives what is there, without waiting (recvmsg(2)); descriptors that came along are appended to `descriptors`, and
 * their receiver owns them. Returns the number of bytes, 0 at the end, `wouldBlock`, or `broken` where the other end is
 * gone or descriptors were lost for want of room.
 */
export function receive(fd: number, address: number, capacity: number, descriptors: number[]): number {
  for (;;) {
    frame.prepare(address, capacity, frame.roomForControl);
    const count = Number(libc.recvmsg(fd, frame.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
    if (count < 0) {
      const errno = lastErrno();
      if (errno === EINTR) continue;
      return errno === EAGAIN ? wouldBlock : broken;
    }
    frame.takeDescriptors(descriptors);
    return frame.truncated ? broken : count;
  }
}

/**
 * Sends without waiting (sendmsg(2)), with copies of at most 253 descriptors. Returns the number of bytes sent, which may
 * be fewer than asked, and the descriptors went with the first of them; or `wouldBlock`, or `broken`.
 */
export function transmit(fd: number, address: number, length: number, descriptors: readonly number[]): number {
  if (descriptors.length > descriptorsPerMessage) return broken;
  for (;;) {
    let count: number;
    if (descriptors.length === 0) {
      count = Number(libc.send(fd, address, length, MSG_DONTWAIT | MSG_NOSIGNAL));
    } else {
      frame.prepare(address, length, frame.putDescriptors(descriptors));
      count = Number(libc.sendmsg(fd, frame.address, MSG_DONTWAIT | MSG_NOSIGNAL));
    }
    if (count >= 0) return count;
    const errno = lastErrno();
    if (errno !== EINTR) return errno === EAGAIN ? wouldBlock : broken;
  }
}
