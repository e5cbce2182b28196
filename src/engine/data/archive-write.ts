// SPDX-License-Identifier: Apache-2.0
import { createWriteStream, openSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errnoOf, fileError, isDowelError } from "../../base/errors.ts";
import { encodeUtf8 } from "../../base/text.ts";
import { compress } from "../../formats/compression/compress.ts";
import type { TarEntry } from "../../formats/tar/entry.ts";
import { type TarInput, writeTar } from "../../formats/tar/write.ts";
import { defaultProfile } from "../../metadata/profile.ts";
import { syncFolder, temporaryName } from "../../sys/durability.ts";
import { archiveLayout } from "./archive-layout.ts";
import { type DataSet, holdSet, openData, requireData } from "./sets.ts";
import { readTree, type TreeEntry } from "./tree-read.ts";

export interface ExportOptions {
  /** What can be made anew is left out by default. */
  readonly withCache: boolean;
  readonly signal?: AbortSignal | undefined;
}

const common: Omit<TarEntry, "path" | "type"> = {
  mode: 0o600,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  linkName: "",
  xattrs: new Map(),
  devMajor: 0,
  devMinor: 0,
};

function textFile(path: string, body: Uint8Array): TarInput {
  return { entry: { ...common, path, type: "file", size: body.length }, body };
}

function toInput({ path, kind, mode, mtime, size, target, content }: TreeEntry): TarInput {
  const type = kind === "folder" ? "directory" : kind;
  const entry: TarEntry = {
    ...common,
    path: `${archiveLayout.data}/${path}`,
    type,
    mode,
    mtime,
    size,
    linkName: target,
  };
  return kind === "file" ? { entry, body: content } : { entry };
}

function readOverridesOf(set: DataSet): Uint8Array | undefined {
  try {
    return readFileSync(set.overrides);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw fileError(error, "read", set.overrides);
  }
}

async function* inputs(set: DataSet, options: ExportOptions): AsyncGenerator<TarInput> {
  const { id, profile = defaultProfile } = set;
  const { format, version } = archiveLayout;
  yield textFile(archiveLayout.head, encodeUtf8(`${JSON.stringify({ format, version, id, profile })}\n`));
  const overrides = readOverridesOf(set);
  if (overrides !== undefined) yield textFile(archiveLayout.overrides, overrides);
  using root = openData(set);
  const skips = (path: string) => !options.withCache && path.startsWith("cache/");
  for await (const entry of readTree(root, set.path, { skips, signal: options.signal })) yield toInput(entry);
}

/**
 * Writes what a set keeps as one archive, tar packed with zstd, readable by its owner only; whole or not at all. Answers
 * its size in bytes. Throws `DATA_NOT_FOUND`, `APP_RUNNING` and what reading and writing throw.
 */
export async function exportSet(set: DataSet, file: string, options: ExportOptions): Promise<number> {
  requireData(set);
  using _hold = holdSet(set);
  const path = resolve(file);
  const aside = temporaryName(path);
  try {
    const fd = openSync(aside, "wx", 0o600);
    const output = createWriteStream(aside, { fd, autoClose: true, flush: true });
    const packed = compress(writeTar(inputs(set, options), { signal: options.signal }), "zstd", 3, options);
    await pipeline(Readable.from(packed, { objectMode: false }), output, { signal: options.signal });
    const { size } = statSync(aside);
    renameSync(aside, path);
    syncFolder(dirname(path));
    return size;
  } catch (error) {
    rmSync(aside, { force: true });
    throw isDowelError(error) || errnoOf(error) === undefined ? error : fileError(error, "write", path);
  }
}
