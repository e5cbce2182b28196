// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

const buffer = Buffer.allocUnsafeSlow(4096);

/** The kernel gives what it has in pages of records; less than half a page is all there is. */
const certainEnd = buffer.length / 2;

/**
 * The text of a file that is small as a rule, as in an instance's folder, a control group or `/proc`; undefined where it
 * cannot be read. One call for its bytes instead of three: `ps` reads a thousand of them.
 */
export function readSmallText(path: string): string | undefined {
  try {
    const fd = openSync(path, "r");
    try {
      const length = readSync(fd, buffer, 0, buffer.length, 0);
      return length < certainEnd ? buffer.toString("utf8", 0, length) : readFileSync(path, "utf8");
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}
