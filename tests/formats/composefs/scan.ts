// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type ByteString, byteStringOfBytes } from "../../../src/formats/composefs/bytestring.ts";
import { type Directory, type Inode, inlineThreshold, objectPath } from "../../../src/formats/composefs/model.ts";
import { fsVerityDigest } from "../../../src/formats/fsverity/digest.ts";

export interface Scan {
  readonly root: Directory;
  /** Content by the path of its object. */
  readonly objects: ReadonlyMap<string, Uint8Array>;
}

type Xattrs = ReadonlyMap<ByteString, ByteString>;

/** All xattrs below a folder by absolute path, as getfattr(1) sees them; paths are byte-strings. */
export function readXattrs(folder: string): ReadonlyMap<ByteString, Xattrs> {
  const command = ["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "--absolute-names", folder];
  const text = execFileSync("getfattr", command, { maxBuffer: 1 << 28, encoding: "latin1" });
  const result = new Map<ByteString, Xattrs>();
  for (const block of text.split("\n\n")) {
    const [head, ...lines] = block.split("\n");
    if (head === undefined || !head.startsWith("# file: ")) continue;
    const path = head
      .slice(8)
      .replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
    const xattrs = lines.map((line): [string, string] => {
      const equals = line.includes("=") ? line.indexOf("=") : line.length;
      return [line.slice(0, equals), Buffer.from(line.slice(equals + 3), "hex").toString("latin1")];
    });
    result.set(path, new Map(xattrs));
  }
  return result;
}

/** Reads a folder; with `separate` as mkcomposefs does, for which every name is a file of its own. */
export function scanTree(folder: string, separate = false): Scan {
  const xattrs = readXattrs(folder);
  const objects = new Map<string, Uint8Array>();
  const known = new Map<bigint, Inode>();

  const visit = (path: ByteString): Inode => {
    const raw = Buffer.from(path, "latin1");
    const stat = lstatSync(raw, { bigint: true });
    const linked = known.get(stat.ino);
    if (linked !== undefined && !separate) return linked;
    const inode = inodeOf(raw, stat, xattrs.get(path) ?? new Map(), objects, separate);
    if (inode.kind !== "directory") {
      known.set(stat.ino, inode);
      return inode;
    }
    for (const name of readdirSync(raw, { encoding: "buffer" })) {
      const text = byteStringOfBytes(name);
      inode.entries.set(text, visit(`${path}/${text}`));
    }
    return inode;
  };
  const root = visit(folder);
  if (root.kind !== "directory") throw new Error(`${folder} is not a folder`);
  return { root, objects };
}

function inodeOf(
  path: Buffer,
  stat: BigIntStats,
  xattrs: Xattrs,
  objects: Map<string, Uint8Array>,
  separate: boolean,
): Inode {
  const nanoseconds = stat.mtimeNs;
  const mtimeNsec = Number(((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
  const metadata = {
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtimeSec: Number((nanoseconds - BigInt(mtimeNsec)) / 1_000_000_000n),
    mtimeNsec,
    xattrs,
  };
  const nlink = separate ? 1 : Number(stat.nlink);
  const rdev = Number(stat.rdev & 0xffff_ffffn);
  if (stat.isDirectory()) return { ...metadata, kind: "directory", entries: new Map() };
  if (stat.isSymbolicLink()) {
    return {
      ...metadata,
      kind: "symlink",
      nlink,
      target: readlinkSync(path, { encoding: "buffer" }).toString("latin1"),
    };
  }
  if (stat.isFIFO()) return { ...metadata, kind: "fifo", nlink };
  if (stat.isSocket()) return { ...metadata, kind: "socket", nlink };
  if (!stat.isFile()) return { ...metadata, kind: stat.isBlockDevice() ? "block" : "character", nlink, rdev };
  const content = new Uint8Array(readFileSync(path));
  if (content.length <= inlineThreshold) return { ...metadata, kind: "inline", nlink, content };
  const digest = fsVerityDigest(content);
  const payload = objectPath(digest);
  objects.set(payload, content);
  return { ...metadata, kind: "external", nlink, size: content.length, digest, payload };
}
