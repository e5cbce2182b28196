// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { ByteString } from "./bytestring.ts";
import { maxInlineContentBytes, maxObjectBytes, maxXattrBytes } from "./constants.ts";
import { type Inode, isWhiteout } from "./model.ts";

const maxUint32 = 0xffff_ffff;

function require(holds: boolean, path: ByteString, expected: string): void {
  if (!holds) throw new DowelError("COMPOSEFS_INVALID", `composefs: ${JSON.stringify(path)}: ${expected}`);
}

function isWithin(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

export function checkName(name: ByteString, parent: ByteString): void {
  const fits = name.length >= 1 && name.length <= limits.nameBytes && name !== "." && name !== "..";
  if (fits && !name.includes("/") && !name.includes("\0")) return;
  require(false, parent, `the name ${JSON.stringify(name)} must be 1 to 255 bytes, no . or ..`);
}

function checkXattrs(inode: Inode, path: ByteString): void {
  let total = 12;
  for (const [key, value] of inode.xattrs) {
    const fits = key.length >= 1 && key.length <= 255 && !key.includes("\0");
    require(fits, path, "the name of an xattr must be 1 to 255 bytes");
    require(value.length <= limits.xattrValueBytes, path, "the value of an xattr must be at most 65535 bytes");
    total += 7 + key.length + value.length;
  }
  require(inode.xattrs.size === 0 || total < maxXattrBytes, path, "all xattrs must be below 32767 bytes");
}

/** Refuses an inode that an image cannot hold; `path` is for the message. */
export function checkInode(inode: Inode, path: ByteString): void {
  require(isWithin(inode.mode, 0o7777), path, "mode must be twelve permission bits");
  require(isWithin(inode.uid, maxUint32) && isWithin(inode.gid, maxUint32), path, "uid and gid must be 32 bits");
  require(Number.isSafeInteger(inode.mtimeSec), path, "the seconds of mtime must be a safe integer");
  require(isWithin(inode.mtimeNsec, 999_999_999), path, "the nanoseconds of mtime must be below 1000000000");
  if (inode.xattrs.size > 0) checkXattrs(inode, path);
  if (inode.kind === "directory") return;
  require(isWithin(inode.nlink, maxUint32) && inode.nlink >= 1, path, "nlink must be 1 to 4294967295");
  switch (inode.kind) {
    case "inline":
      require(inode.content.length <= maxInlineContentBytes, path, "inline content must be at most 5000 bytes");
      break;
    case "external":
      require(isWithin(inode.size, maxObjectBytes) && inode.size > 0, path, "an object must have 1 to 2^52 bytes");
      require(inode.digest === undefined || inode.digest.length === 32, path, "the digest must be 32 bytes");
      if (inode.payload !== undefined) checkPayload(inode.payload, path);
      break;
    case "symlink":
      checkTarget(inode.target, path);
      break;
    case "character":
    case "block":
      require(isWithin(inode.rdev, maxUint32), path, "rdev must be 32 bits");
      require(!isWhiteout(inode) || inode.nlink === 1, path, "a whiteout must have one name");
      break;
  }
}

function checkPayload(payload: ByteString, path: ByteString): void {
  const fits = payload.length >= 1 && payload.length <= limits.pathBytes && !payload.includes("\0");
  require(fits, path, "the path of the object must be 1 to 4095 bytes");
}

function checkTarget(target: ByteString, path: ByteString): void {
  const fits = target.length >= 1 && target.length <= limits.symlinkTargetBytes && !target.includes("\0");
  require(fits, path, "the target of a link must be 1 to 4095 bytes");
}
