// SPDX-License-Identifier: Apache-2.0
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { objectPath } from "../../formats/composefs/model.ts";
import { FsVerityHasher } from "../../formats/fsverity/digest.ts";
import { temporaryName } from "../../sys/durability.ts";

// shared by all calls, which are synchronous and do not nest
const buffer = new Uint8Array(1024 * 1024);

export interface MeasuredFile {
  /** Bytes that were read. */
  readonly size: number;
  /** fs-verity digest, 32 bytes. */
  readonly digest: Uint8Array;
}

/** Reads a regular file from start to end, in pieces that share memory. Throws what `node:fs` throws. */
function readPieces(path: string | Buffer, each: (piece: Uint8Array) => void): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    // what read(2) gives short of a whole piece is the end of a regular file
    for (let length = buffer.length; length === buffer.length; ) {
      length = readSync(fd, buffer);
      if (length > 0) each(buffer.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}

/** Works out the fs-verity digest of a file. */
export function measureFile(path: string | Buffer): MeasuredFile {
  const hasher = new FsVerityHasher();
  let size = 0;
  readPieces(path, (piece) => {
    hasher.update(piece);
    size += piece.length;
  });
  return { size, digest: hasher.digest() };
}

/** As `measureFile`; what was measured is put into the folder `store` under the name of its digest, mode 0644. */
export function storeFile(path: string | Buffer, store: string): MeasuredFile {
  const temporary = temporaryName(join(store, "new"));
  const hasher = new FsVerityHasher();
  let size = 0;
  try {
    const fd = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644);
    try {
      readPieces(path, (piece) => {
        hasher.update(piece);
        size += piece.length;
        for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at);
      });
    } finally {
      closeSync(fd);
    }
    const digest = hasher.digest();
    const target = join(store, objectPath(digest));
    if (!existsSync(target)) {
      mkdirSync(dirname(target), { recursive: true });
      chmodSync(temporary, 0o644);
      renameSync(temporary, target);
    }
    return { size, digest };
  } finally {
    rmSync(temporary, { force: true });
  }
}
