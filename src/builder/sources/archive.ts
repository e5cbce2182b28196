// SPDX-License-Identifier: Apache-2.0
import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isDowelError } from "../../base/errors.ts";
import type { ArchiveFormat } from "../manifest/types.ts";
import { runTool, type ToolOptions } from "../tools.ts";
import type { SourceContext } from "./context.ts";
import { mergeFolder, sanitise } from "./place.ts";

const tarFilters: Partial<Readonly<Record<ArchiveFormat, readonly string[]>>> = {
  tar: [],
  "tar-gzip": ["--gzip"],
  "tar-compress": ["--uncompress"],
  "tar-bzip2": ["--bzip2"],
  "tar-lzip": ["--lzip"],
  "tar-lzma": ["--lzma"],
  "tar-xz": ["--xz"],
  "tar-zst": ["--zstd"],
};

export interface ArchiveToUnpack {
  readonly path: string;
  readonly format: ArchiveFormat;
  readonly stripComponents: number;
  /** The name in messages. */
  readonly what: string;
}

/**
 * Unpacks an archive into a folder of its own first, so that nothing in it can lead elsewhere, then moves the files
 * to the destination. Throws `SOURCE_INVALID` for a damaged archive or one with devices.
 */
export async function unpackArchive(
  archive: ArchiveToUnpack,
  destination: string,
  context: SourceContext,
): Promise<void> {
  using temporary = context.state.temporary("unpack");
  const folder = join(temporary.path, "content");
  mkdirSync(folder);
  const options: ToolOptions = {
    cwd: folder,
    doing: `Cannot unpack ${archive.what}`,
    code: "SOURCE_INVALID",
    signal: context.signal,
  };
  const filter = tarFilters[archive.format];
  if (filter !== undefined) {
    const strip = `--strip-components=${archive.stripComponents}`;
    const flags = ["--no-same-owner", "--no-same-permissions", "--delay-directory-restore", strip];
    await runTool("tar", ["--extract", "--file", archive.path, ...filter, ...flags], options);
    sanitise(folder, archive.what);
    return mergeFolder(folder, destination);
  }
  await unpackOther(archive, options);
  sanitise(folder, archive.what);
  mergeFolder(stripFolders(folder, archive.stripComponents, temporary.path), destination);
}

async function unpackOther({ format, path }: ArchiveToUnpack, options: ToolOptions): Promise<void> {
  if (format === "zip") {
    try {
      await runTool("bsdtar", ["-x", "-f", path], options);
    } catch (error) {
      if (!isDowelError(error, "TOOL_MISSING")) throw error;
      await runTool("unzip", ["-q", path], options);
    }
  } else if (format === "7z") {
    await runTool("7z", ["x", "-bd", path], options);
  } else {
    await runTool("bsdtar", ["-x", "-f", path], options);
  }
}

/** A folder with what lies `count` levels down; what lies above is left behind, as tar does. */
function stripFolders(folder: string, count: number, temporary: string): string {
  let current = folder;
  for (let level = 0; level < count; level++) {
    const next = join(temporary, `level-${level}`);
    mkdirSync(next);
    for (const name of readdirSync(current)) {
      const path = join(current, name);
      if (lstatSync(path).isDirectory()) mergeFolder(path, next);
    }
    current = next;
  }
  return current;
}
