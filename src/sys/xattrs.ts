// SPDX-License-Identifier: Apache-2.0
import { errnoOf } from "../base/errors.ts";
import { address, check, syscall } from "./libc.ts";

/** System call numbers of lgetxattr and llistxattr by `process.arch`; they differ, unlike those of newer calls. */
const numbers: Readonly<Record<string, { readonly get: number; readonly list: number }>> = {
  x64: { get: 192, list: 195 },
  arm64: { get: 9, list: 12 },
};

/** XATTR_LIST_MAX and XATTR_SIZE_MAX of linux/limits.h. */
const maxBytes = 65_536;
// one for the names and one for the values; the calls below are synchronous
const names = new Uint8Array(new ArrayBuffer(maxBytes));
const value = new Uint8Array(new ArrayBuffer(maxBytes));

/** Reads a value; undefined where it is gone by now. */
function readValue(path: Uint8Array, name: Uint8Array, get: number): Uint8Array | undefined {
  const shown = Buffer.from(path.subarray(0, -1)).toString();
  try {
    const length = check("lgetxattr", shown, () =>
      syscall(get, address(path), address(name), address(value), value.length),
    );
    return value.slice(0, length);
  } catch (error) {
    if (errnoOf(error) === "ENODATA") return undefined;
    throw error;
  }
}

function terminated(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(new ArrayBuffer(bytes.length + 1));
  result.set(bytes);
  return result;
}

/**
 * All extended attributes of a file that the caller may see, by name as Latin-1; of a symlink itself, not of its
 * target. None where the file system has no such thing. Throws a `SystemError`. Source: llistxattr(2), lgetxattr(2).
 */
export function readXattrs(path: Uint8Array): Map<string, Uint8Array> {
  const result = new Map<string, Uint8Array>();
  const calls = numbers[process.arch];
  if (calls === undefined) throw new Error(`System call numbers for ${process.arch} are not known`);
  const target = terminated(path);
  let length = 0;
  try {
    length = check("llistxattr", Buffer.from(path).toString(), () =>
      syscall(calls.list, address(target), address(names), names.length),
    );
  } catch (error) {
    if (errnoOf(error) === "EOPNOTSUPP") return result;
    throw error;
  }
  for (const name of Buffer.from(names.subarray(0, length)).toString("latin1").split("\0").slice(0, -1)) {
    const found = readValue(target, terminated(Buffer.from(name, "latin1")), calls.get);
    if (found !== undefined) result.set(name, found);
  }
  return result;
}
