// SPDX-License-Identifier: Apache-2.0
import { type ByteString, byteStringOfBytes } from "./bytestring.ts";
import { modeOf } from "./constants.ts";
import { escapeField, escapeOptional, escapeXattr } from "./dump-escape.ts";
import type { Directory, Inode } from "./model.ts";

/**
 * Writes a tree as a composefs dump, one line for each name, parents before children, in byte order.
 * The first name of an inode, depth first, gets the full line; the others point to it. Folders get size 0.
 * Source: composefs-dump(5). The text is ASCII and ends with a newline.
 */
export function formatDump(root: Directory): string {
  const lines: string[] = [];
  formatInode(root, "", new Map(), lines);
  lines.push("");
  return lines.join("\n");
}

function formatInode(inode: Inode, path: string, known: Map<Inode, string>, lines: string[]): void {
  const mode = (modeOf[inode.kind] | inode.mode).toString(8);
  const shown = path === "" ? "/" : path;
  const first = known.get(inode);
  if (first !== undefined) {
    lines.push(`${shown} 0 @${mode} 1 0 0 0 0.0 ${first} - -`);
    return;
  }
  if (inode.kind !== "directory") known.set(inode, shown);
  const own = `${inode.uid} ${inode.gid} ${rdevOf(inode)} ${inode.mtimeSec}.${inode.mtimeNsec}`;
  const { payload, content, digest } = references(inode);
  let line = `${shown} ${sizeOf(inode)} ${mode} ${linksOf(inode)} ${own} ${payload} ${content} ${digest}`;
  for (const key of [...inode.xattrs.keys()].sort()) {
    line += ` ${escapeXattr(key)}=${escapeXattr(inode.xattrs.get(key) ?? "")}`;
  }
  lines.push(line);
  if (inode.kind !== "directory") return;
  for (const name of [...inode.entries.keys()].sort()) {
    const child = inode.entries.get(name);
    if (child !== undefined) formatInode(child, `${path}/${escapeField(name)}`, known, lines);
  }
}

function rdevOf(inode: Inode): number {
  return inode.kind === "character" || inode.kind === "block" ? inode.rdev : 0;
}

function sizeOf(inode: Inode): number {
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
