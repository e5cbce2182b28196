// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type ByteString, byteStringOfBytes, bytesOfByteString } from "./bytestring.ts";
import { unescapeField } from "./dump-escape.ts";
import type { Directory, Inode, Leaf, Metadata } from "./model.ts";
import { checkInode, checkName } from "./validate.ts";

interface HardLink {
  readonly folder: Directory;
  readonly name: ByteString;
  readonly path: ByteString;
  readonly target: ByteString;
  readonly line: number;
}

/**
 * Reads a composefs dump, text or bytes. Source: composefs-dump(5).
 * Throws `COMPOSEFS_INVALID` with the number of the line, or `LIMIT_EXCEEDED`.
 */
export function parseDump(dump: string | Uint8Array): Directory {
  const lines = (typeof dump === "string" ? dump : byteStringOfBytes(dump)).split("\n");
  if (lines.at(-1) === "") lines.pop();
  const parser = new DumpParser();
  for (const [index, line] of lines.entries()) parser.line(line, index + 1);
  return parser.finish();
}

function fail(line: number, problem: string): never {
  throw new DowelError("COMPOSEFS_INVALID", `composefs dump, line ${line}: ${problem}`);
}

class DumpParser {
  /** Folders and files by their path; the root is "". */
  readonly #known = new Map<ByteString, Inode>();
  readonly #links = new Map<ByteString, HardLink>();
  #root: Directory | undefined;

  line(text: string, number: number): void {
    const fields = text.split(" ");
    if (fields.length < 11) fail(number, "11 fields and then xattrs must be separated by single spaces");
    const path = unescapeField(fields[0] ?? "") ?? fail(number, "the path has a malformed escape");
    if (this.#root === undefined) {
      if (path !== "/") fail(number, "the first line must be that of /");
      const root = parseInode(fields, number, path);
      if (root.kind !== "directory") fail(number, "/ must be a folder");
      this.#root = root;
      this.#known.set("", root);
      return;
    }
    const { folder, name } = this.#place(path, number);
    if (fields[2]?.startsWith("@") === true) {
      const target = unescapeField(fields[8] ?? "") ?? fail(number, "the target has a malformed escape");
      this.#links.set(path, { folder, name, path, target, line: number });
      return;
    }
    const inode = parseInode(fields, number, path);
    folder.entries.set(name, inode);
    this.#known.set(path, inode);
  }

  finish(): Directory {
    if (this.#root === undefined) fail(1, "the first line must be that of /");
    for (const link of this.#links.values()) this.#resolve(link);
    return this.#root;
  }

  #place(path: ByteString, line: number): { folder: Directory; name: ByteString } {
    const slash = path.lastIndexOf("/");
    if (path.split("/").length - 1 > limits.pathDepth) {
      throw new DowelError("LIMIT_EXCEEDED", `composefs dump, line ${line}: at most ${limits.pathDepth} folders deep`);
    }
    const folder = slash < 0 ? undefined : this.#known.get(path.slice(0, slash));
    if (folder?.kind !== "directory") fail(line, "the folder of a file must come before it");
    const name = path.slice(slash + 1);
    checkName(name, path);
    if (this.#known.has(path) || this.#links.has(path)) fail(line, "this path is there twice");
    return { folder, name };
  }

  #resolve(link: HardLink): void {
    const passed = new Set<HardLink>();
    let current = link;
    for (;;) {
      if (passed.has(current)) fail(link.line, "a hard link must not lead to itself");
      passed.add(current);
      const next = this.#links.get(current.target);
      if (next === undefined) break;
      current = next;
    }
    const inode = this.#known.get(current.target) ?? fail(link.line, "the target of a hard link does not exist");
    if (inode.kind === "directory") fail(link.line, "a folder must have one name");
    // All of a chain at once, so that a long one is walked only once.
    for (const { folder, name, path } of passed) {
      folder.entries.set(name, inode);
      this.#known.set(path, inode);
      this.#links.delete(path);
    }
  }
}

function parseInode(fields: readonly string[], line: number, path: ByteString): Inode {
  const [, size, mode, nlink, uid, gid, rdev, mtime] = fields;
  const [, type, bits] = /^(\d*?)(\d{4})$/.exec(octal(mode, line)) ?? [];
  const time = /^(-?\d+)\.(\d+)$/.exec(mtime ?? "") ?? fail(line, "mtime must be seconds.nanoseconds");
  const metadata: Metadata = {
    mode: Number.parseInt(bits ?? "", 8),
    uid: decimal(uid, line, "uid"),
    gid: decimal(gid, line, "gid"),
    mtimeSec: Number(time[1]) || 0,
    mtimeNsec: Number(time[2]),
    xattrs: parseXattrs(fields.slice(11), line),
  };
  const inode = withKind(Number.parseInt(type || "0", 8), metadata, fields, line, {
    size: decimal(size, line, "size"),
    nlink: decimal(nlink, line, "nlink"),
    rdev: decimal(rdev, line, "rdev"),
  });
  checkInode(inode, path);
  return inode;
}

interface Numbers {
  readonly size: number;
  readonly nlink: number;
  readonly rdev: number;
}

/** `type` is what stands before the four octal digits of the permissions. */
function withKind(type: number, metadata: Metadata, fields: readonly string[], line: number, numbers: Numbers): Inode {
  const { nlink, rdev } = numbers;
  switch (type) {
    case 0o04:
      return { ...metadata, kind: "directory", entries: new Map() };
    case 0o10:
      return regular(metadata, fields, line, numbers);
    case 0o12:
      return { ...metadata, kind: "symlink", nlink, target: optional(fields[8], line) ?? "" };
    case 0o02:
      return { ...metadata, kind: "character", nlink, rdev };
    case 0o06:
      return { ...metadata, kind: "block", nlink, rdev };
    case 0o01:
      return { ...metadata, kind: "fifo", nlink };
    case 0o14:
      return { ...metadata, kind: "socket", nlink };
    default:
      return fail(line, "mode must have a known type");
  }
}

function regular(metadata: Metadata, fields: readonly string[], line: number, { size, nlink }: Numbers): Leaf {
  const payload = optional(fields[8], line);
  const content = optional(fields[9], line, true);
  const digest = optional(fields[10], line);
  if (content !== undefined || size === 0) {
    if (size !== (content ?? "").length) fail(line, "size must be the length of the content");
    return { ...metadata, kind: "inline", nlink, content: bytesOfByteString(content ?? "") };
  }
  if (digest !== undefined && !/^[0-9a-f]{64}$/.test(digest)) fail(line, "the digest must be 64 hexadecimal digits");
  return {
    ...metadata,
    kind: "external",
    nlink,
    size,
    payload,
    digest: digest === undefined ? undefined : new Uint8Array(Buffer.from(digest, "hex")),
  };
}

function parseXattrs(fields: readonly string[], line: number): Map<ByteString, ByteString> {
  const xattrs = new Map<ByteString, ByteString>();
  for (const field of fields) {
    const equals = field.indexOf("=");
    const key = equals < 0 ? undefined : unescapeField(field.slice(0, equals));
    const value = unescapeField(field.slice(equals + 1), true);
    if (key === undefined || value === undefined) fail(line, "an xattr must be KEY=VALUE with sound escapes");
    if (xattrs.has(key)) fail(line, "an xattr is there twice");
    xattrs.set(key, value);
  }
  return xattrs;
}

function optional(field: string | undefined, line: number, allowNul = false): ByteString | undefined {
  if (field === undefined || field === "-") return undefined;
  return unescapeField(field, allowNul) ?? fail(line, "a field has a malformed escape");
}

function octal(field: string | undefined, line: number): string {
  if (field === undefined || !/^[0-7]{4,7}$/.test(field)) fail(line, "mode must be octal");
  return field;
}

function decimal(field: string | undefined, line: number, what: string): number {
  const value = /^\d{1,16}$/.test(field ?? "") ? Number(field) : Number.NaN;
  if (!Number.isSafeInteger(value)) fail(line, `${what} must be a whole number`);
  return value;
}
