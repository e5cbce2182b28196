// SPDX-License-Identifier: Apache-2.0
import { address, check, cString, syscall } from "./libc.ts";

/** renameat2's number (Linux 3.15): x86_64 has its own, aarch64 the one that newer architectures share. */
const renameat2 = process.arch === "x64" ? 316 : 276;
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

/** Swaps what two paths of one file system name, at once for everybody who looks (renameat2(2)). Throws a `SystemError`. */
export function exchangePaths(left: string, right: string): void {
  const from = cString(left);
  const to = cString(right);
  check("renameat2", right, () => syscall(renameat2, AT_FDCWD, address(from), AT_FDCWD, address(to), RENAME_EXCHANGE));
}
