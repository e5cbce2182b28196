// SPDX-License-Identifier: Apache-2.0
import { constants, fstatSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { DowelError, errnoOf, fileError } from "../base/errors.ts";
import { Descriptor, O_PATH } from "../sys/beneath.ts";
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

/** Opens a file of a layout, by its path in it; undefined where there is none. */
type Opener = (path: string) => Promise<FileHandle | undefined>;

/** The files of a layout in a folder. */
class FolderFiles implements LayoutFiles {
  readonly name: string;
  readonly #open: Opener;

  constructor(name: string, opener: Opener) {
    this.name = name;
    this.#open = opener;
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
}

function irregular(name: string, path: string): DowelError {
  return new DowelError("OCI_LAYOUT_INVALID", `${name}: ${path} is not a regular file`);
}

/** What comes of a failed try to open a file: nothing where there is none. */
function missing(error: unknown, path: string): undefined {
  const errno = errnoOf(error);
  if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
  throw fileError(error, "open", path);
}

/** The files of a layout in a folder. Links as last part of a path, pipes and devices are refused. */
export function filesOfFolder(folder: string): LayoutFiles {
  const name = `oci:${folder}`;
  return new FolderFiles(name, async (path) => {
    let file: FileHandle;
    try {
      // without O_NONBLOCK opening a pipe would wait for a writer
      file = await open(join(folder, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      return missing(error, join(folder, path));
    }
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw irregular(name, path);
  });
}

/**
 * The files of a layout in a folder that is open, and that somebody else may change meanwhile: no link is followed, no
 * other file system entered, and nothing but a regular file is ever opened. `folder` stays its owner's.
 */
export function filesOfDescriptor(folder: Descriptor, name: string): LayoutFiles {
  return new FolderFiles(name, async (path) => {
    try {
      // This opens nothing yet: a device would notice, and a pipe would wait.
      using found = Descriptor.within(folder, path, O_PATH);
      if (fstatSync(found.fd).isFile()) return await open(found.path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      return missing(error, `${name}: ${path}`);
    }
    throw irregular(name, path);
  });
}
