// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { check, libc, ptr } from "./libc.ts";

const FS_IOC_ENABLE_VERITY = 0x4080_6685;
const FS_IOC_MEASURE_VERITY = 0xc004_6686;
const FS_VERITY_HASH_ALG_SHA256 = 1;
const sha256Bytes = 32;
/** `struct fsverity_enable_arg`: version, algorithm, block size; salt, signature and 88 reserved bytes stay zero. */
const enableBytes = 128;
/** `struct fsverity_digest`: algorithm and size, 16 bits each, then the digest. */
const digestOffset = 4;

/** What kernels and file systems without fs-verity answer, or with it switched off for this file system. */
const unsupported: ReadonlySet<string> = new Set(["ENOTTY", "EOPNOTSUPP", "EINVAL"]);

function withFile<T>(path: string, use: (fd: number) => T): T {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Turns fs-verity on for a file, with sha256, blocks of 4096 bytes and no salt: nobody can change it any more, and the
 * kernel compares every block that is read with the digest. Answers the digest (hex) that the kernel holds it to, also
 * where it was on already; undefined where the file system cannot. The caller must be allowed to write to the file, and
 * nobody may have it open for that. Throws a `SystemError`. Source: Documentation/filesystems/fsverity.rst, Linux 5.4.
 */
export function enableVerity(path: string): string | undefined {
  return withFile(path, (fd) => {
    const argument = new Uint8Array(new ArrayBuffer(enableBytes));
    new Uint32Array(argument.buffer, 0, 3).set([1, FS_VERITY_HASH_ALG_SHA256, 4096]);
    try {
      check("FS_IOC_ENABLE_VERITY", path, () => libc.ioctl(fd, FS_IOC_ENABLE_VERITY, ptr(argument)));
    } catch (error) {
      const code = errnoOf(error) ?? "";
      if (unsupported.has(code)) return undefined;
      if (code !== "EEXIST") throw error;
    }
    return measure(fd, path);
  });
}

/** The sha256 digest (hex) that the kernel holds a file to; undefined where fs-verity is not on. Throws a `SystemError`. */
export function measureVerity(path: string): string | undefined {
  try {
    return withFile(path, (fd) => measure(fd, path));
  } catch (error) {
    // A socket in its place; open(2).
    if (errnoOf(error) === "ENXIO") return undefined;
    throw error;
  }
}

/** Whether kernel and file system have fs-verity for a file, be it on or not. Throws a `SystemError`. */
export function canHaveVerity(path: string): boolean {
  return withFile(path, (fd) => ask(fd, path) !== "unsupported");
}

function measure(fd: number, path: string): string | undefined {
  const answer = ask(fd, path);
  return answer === "unsupported" ? undefined : answer;
}

/** The digest, undefined where fs-verity is not on. */
function ask(fd: number, path: string): string | "unsupported" | undefined {
  const answer = new Uint8Array(new ArrayBuffer(digestOffset + sha256Bytes));
  const header = new DataView(answer.buffer);
  header.setUint16(2, sha256Bytes, true);
  try {
    check("FS_IOC_MEASURE_VERITY", path, () => libc.ioctl(fd, FS_IOC_MEASURE_VERITY, ptr(answer)));
  } catch (error) {
    const code = errnoOf(error) ?? "";
    if (unsupported.has(code)) return "unsupported";
    // EOVERFLOW: the digest is a longer one, of another algorithm.
    if (["ENODATA", "EOVERFLOW"].includes(code)) return undefined;
    throw error;
  }
  if (header.getUint16(0, true) !== FS_VERITY_HASH_ALG_SHA256) return undefined;
  return Buffer.from(answer.subarray(digestOffset)).toString("hex");
}
