// SPDX-License-Identifier: Apache-2.0
import { lstatSync, readFileSync, writeFileSync } from "node:fs";
import { DowelError, fileError } from "../../base/errors.ts";
import { formatDump } from "../../formats/composefs/dump-format.ts";
import { parseDump } from "../../formats/composefs/dump-parse.ts";
import { readComposefs } from "../../formats/composefs/read.ts";
import { writeComposefs } from "../../formats/composefs/write.ts";
import { fsVerityDigest } from "../../formats/fsverity/digest.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { type CaptureOptions, captureFolder } from "./capture.ts";

export interface MakeImageOptions extends CaptureOptions {
  /** The source is a composefs dump, and `-` standard input; else it is a folder. */
  readonly fromFile?: boolean | undefined;
  /** Where the image goes, `-` for standard output; undefined to leave it. */
  readonly image: string | undefined;
  readonly minVersion: number;
  readonly maxVersion: number;
}

/**
 * Makes a composefs image as mkcomposefs(1) does, and answers its fs-verity digest in hexadecimal. The image is of the
 * least version that can hold the tree. Throws UNSUPPORTED for versions that cannot be written.
 */
export function makeImage(source: string, options: MakeImageOptions): string {
  const { minVersion, maxVersion, image } = options;
  if (!isWritable(minVersion) || !isWritable(maxVersion)) {
    throw new DowelError("UNSUPPORTED", "composefs images can be written in the versions 0 and 1 only");
  }
  const root = options.fromFile === true ? parseDump(readInput(source)) : captureFolder(source, options);
  const bytes = writeComposefs(root, { version: minVersion, maxVersion });
  if (image !== undefined) writeImage(image, bytes);
  return Buffer.from(fsVerityDigest(bytes)).toString("hex");
}

function isWritable(version: number): version is 0 | 1 {
  return version === 0 || version === 1;
}

function readInput(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path === "-" ? 0 : path));
  } catch (error) {
    throw fileError(error, "read", path === "-" ? "standard input" : path);
  }
}

function writeImage(path: string, bytes: Uint8Array): void {
  try {
    if (path === "-") writeFileSync(1, bytes);
    // a device or pipe is written to, not replaced
    else if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) writeFileSync(path, bytes);
    else writeFileDurably(path, bytes);
  } catch (error) {
    throw fileError(error, "write", path === "-" ? "standard output" : path);
  }
}

/** The composefs dump of an image file, as `composefs-info dump` shows it. */
export function dumpImage(path: string): string {
  const { root, version } = readComposefs(readInput(path), { keepOpaque: true });
  return formatDump(root, { imageVersion: version });
}
