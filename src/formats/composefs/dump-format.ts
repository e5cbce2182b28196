// SPDX-License-Identifier: Apache-2.0
import { type ByteString, byteStringOfBytes } from "./bytestring.ts";
import { modeOf, stubNames } from "./constants.ts";
import { escapeField, escapeOptional, escapeXattr } from "./dump-escape.ts";
import { directoryBytes } from "./layout.ts";
import type { Directory, Inode } from "./model.ts";

/**
 * Writes a tree as a composefs dump, one line for each name, parents before children, in byte order. Of an inode with
 * several names the first one, depth first, holds it; the lines of the others point there. Folders get size 0 and xattrs
 * are sorted; for what was read from an image of `imageVersion` they have the size and the order that they have there, as
 * composefs-info prints it. Source: composefs-dump(5). The text is ASCII and ends with a newline.
 */
export function formatDump(root: Directory, options: { readonly imageVersion?: number } = {}): string {
  const lines: string[] = [];
  const { imageVersion } = options;
  const style = { folderSize: sizesIn(root, imageVersion), sortsXattrs: imageVersion === undefined };
  formatInode(root, "", new Map(), lines, style);
  lines.push("");
  return lines.join("\n");
}

/** The size of a folder in an image: up to version 1 the root also hides the folders of the object store there. */
function sizesIn(root: Directory, version: number | undefined): (folder: Directory) => number {
  if (version === undefined) return () => 0;
  const stubs = version < 2 ? stubNames : [];
  return (folder) => directoryBytes([...folder.entries.keys(), ...(folder === root ? stubs : [])]);
}

interface DumpStyle {
  readonly folderSize: (folder: Directory) => number;
  readonly sortsXattrs: boolean;
}

function formatInode(inode: Inode, path: string, known: Map<Inode, string>, lines: string[], style: DumpStyle): void {
  const shown = path === "" ? "/" : path;
  lines.push(formatLine(inode, shown, known.get(inode), style));
  known.set(inode, known.get(inode) ?? shown);
  if (inode.kind !== "directory") return;
  for (const name of [...inode.entries.keys()].sort()) {
    const child = inode.entries.get(name);
    if (child !== undefined) formatInode(child, `${path}/${escapeField(name)}`, known, lines, style);
  }
}

/** `first` is the escaped path of the name that holds the inode, where this is a further one. */
function formatLine(
  inode: Inode,
  path: string,
  first: string | undefined,
  { folderSize, sortsXattrs }: DumpStyle,
): string {
  const mode = `${first === undefined ? "" : "@"}${(modeOf[inode.kind] | inode.mode).toString(8)}`;
  const own = `${inode.uid} ${inode.gid} ${rdevOf(inode)} ${inode.mtimeSec}.${inode.mtimeNsec}`;
  const { payload, content, digest } = references(inode);
  let line = `${path} ${sizeOf(inode, folderSize)} ${mode} ${linksOf(inode)} ${own} ${first ?? payload} ${content} ${digest}`;
  const keys = [...inode.xattrs.keys()];
  for (const key of sortsXattrs ? keys.sort() : keys) {
    line += ` ${escapeXattr(key)}=${escapeXattr(inode.xattrs.get(key) ?? "")}`;
  }
  return line;
}

function rdevOf(inode: Inode): number {
  return inode.kind === "character" || inode.kind === "block" ? inode.rdev : 0;
}

function sizeOf(inode: Inode, folderSize: (folder: Directory) => number): number {
  if (inode.kind === "directory") return folderSize(inode);
  if (inode.kind === "external") return inode.size;
  if (inode.kind === "inline") return inode.content.length;
  return inode.kind === "symlink" ? inode.target.length : 0;
}

function linksOf(inode: Inode): number {
  if (inode.kind !== "directory") return inode.nlink;
  let folders = 0;
  for (const child of inode.entries.values()) if (child.kind === "directory") folders++;
  return 2 + folders;
}

function references(inode: Inode): { payload: string; content: string; digest: string } {
  let payload: ByteString | undefined;
  let content: ByteString | undefined;
  let digest = "-";
  if (inode.kind === "symlink") payload = inode.target;
  if (inode.kind === "inline") content = byteStringOfBytes(inode.content);
  if (inode.kind === "external") {
    payload = inode.payload;
    if (inode.digest !== undefined) digest = Buffer.from(inode.digest).toString("hex");
  }
  return { payload: escapeOptional(payload), content: escapeOptional(content), digest };
}
