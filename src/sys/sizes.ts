// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync } from "node:fs";
import { constants as system } from "node:os";
import { lastErrno, libc, ptr, systemError } from "./libc.ts";

const pathOnly = 0o10000000; // O_PATH
const atNoAutomount = 0x800;
const statxTypeAndSize = 0x201;
const regular = 0o100000;

/**
 * Sizes of many files below one folder by their names in ASCII. Four times as quick as `statSync`, which makes an object
 * for each file (statx(2)).
 */
export class FileSizes implements Disposable {
  readonly #fd: number;
  readonly #name = Buffer.alloc(256);
  readonly #answer = Buffer.alloc(256);
  readonly #nameAt = ptr(this.#name);
  readonly #answerAt = ptr(this.#answer);

  /** Throws as `openSync`. */
  constructor(folder: string) {
    this.#fd = openSync(folder, constants.O_DIRECTORY | pathOnly);
  }

  /**
   * Bytes of a file; undefined where nothing has the name, or no file. `split`: so many characters are a folder's name, the
   * rest one in it, so that no text has to be made for each of many. Throws a `SystemError` for what hinders looking.
   */
  of(name: string, split = 0): number | undefined {
    const start = split === 0 ? 0 : 1;
    const end = start + this.#name.write(name, start, 254, "latin1");
    for (let at = 0; at < split; at++) this.#name[at] = this.#name[at + 1] ?? 0;
    if (split > 0) this.#name[split] = 0x2f;
    this.#name[end] = 0;
    while (libc.statx(this.#fd, this.#nameAt, atNoAutomount, statxTypeAndSize, this.#answerAt) !== 0) {
      const errno = lastErrno();
      if (errno === system.errno.EINTR) continue;
      if (errno === system.errno.ENOENT || errno === system.errno.ENOTDIR) return undefined;
      throw systemError(errno, "statx", name);
    }
    if ((this.#answer.readUInt16LE(28) & 0o170000) !== regular) return undefined;
    return this.#answer.readUInt32LE(40) + this.#answer.readUInt32LE(44) * 2 ** 32;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
