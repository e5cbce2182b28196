// SPDX-License-Identifier: Apache-2.0
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { DowelError, errnoOf, fileError } from "../base/errors.ts";
import { readFileRange } from "./durable.ts";
import type { ByteStream } from "./verify.ts";

/** The files of an OCI layout, wherever they lie. */
export interface LayoutFiles extends AsyncDisposable {
  /** For messages: `oci:PATH` or `oci-archive:PATH`. */
  readonly name: string;
  /** Size in bytes; undefined where there is no such file. */
  sizeOf(path: string): Promise<number | undefined>;
  /** Bytes of a file from `offset`, at most `length`. */
  read(path: string, offset: number, length: number, signal?: AbortSignal): ByteStream;
}

/** The files of a layout in a folder. Links as last part of a path, pipes and devices are refused. */
export class FolderFiles implements LayoutFiles {
  readonly name: string;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.name = `oci:${path}`;
  }

  async sizeOf(path: string): Promise<number | undefined> {
    const file = await this.#open(path);
    if (file === undefined) return undefined;
    try {
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  }

  async *read(path: string, offset: number, length: number, signal?: AbortSignal): ByteStream {
    const file = await this.#open(path);
    if (file === undefined) throw new DowelError("OCI_LAYOUT_INVALID", `${this.name}: ${path} is missing`);
    try {
      yield* readFileRange(file, offset, length, signal);
    } finally {
      await file.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #open(path: string): Promise<FileHandle | undefined> {
    let file: FileHandle;
    try {
      // without O_NONBLOCK opening a pipe would wait for a writer
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      file = await open(join(this.#path, path), flags);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
      throw fileError(error, "open", join(this.#path, path));
    }
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw new DowelError("OCI_LAYOUT_INVALID", `${this.name}: ${path} is not a regular file`);
  }
}
