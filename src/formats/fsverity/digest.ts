// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";

const blockBytes = 4096;
const hashBytes = 32;

const zeroRoot = new Uint8Array(hashBytes);
// Shared between calls: everything here is synchronous, and `hash` copies nothing out of them.
const scratchBlock = new Uint8Array(blockBytes);
const descriptor = new Uint8Array(256);
descriptor[0] = 1; // version
descriptor[1] = 1; // FS_VERITY_HASH_ALG_SHA256
descriptor[2] = 12; // log2 of the block size
const descriptorView = new DataView(descriptor.buffer);

function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

function hashPadded(bytes: Uint8Array): Uint8Array {
  if (bytes.length === blockBytes) return sha256(bytes);
  scratchBlock.set(bytes);
  scratchBlock.fill(0, bytes.length);
  return sha256(scratchBlock);
}

function hashDescriptor(size: number, root: Uint8Array): Uint8Array {
  descriptorView.setUint32(8, size >>> 0, true);
  descriptorView.setUint32(12, Math.floor(size / 2 ** 32), true);
  descriptor.set(root, 16);
  return new Uint8Array(sha256(descriptor));
}

// Fresh blocks cost as much as hashing them does, so those of finished hashers are used again.
const spareBlocks: Uint8Array[] = [];
const maxSpareBlocks = 64;

function takeBlock(): Uint8Array {
  return spareBlocks.pop() ?? new Uint8Array(blockBytes);
}

function giveBack(block: Uint8Array): void {
  if (spareBlocks.length < maxSpareBlocks) spareBlocks.push(block);
}

/** One level of the hash tree: the hashes that are not yet folded into the level above, at most one block. */
class Level {
  readonly block = takeBlock();
  used = 0;
}

/**
 * Computes the fs-verity digest (SHA-256, 4096-byte blocks, no salt) of content that comes in chunks of any size.
 * It keeps one block for each level of the tree, so its memory does not grow with the content.
 *
 * Source: the kernel's Documentation/filesystems/fsverity.rst, "Merkle tree" and "fs-verity descriptor".
 */
export class FsVerityHasher {
  #pending: Uint8Array | undefined;
  #pendingUsed = 0;
  #size = 0;
  readonly #levels: Level[] = [];

  update(bytes: Uint8Array): this {
    this.#size += bytes.length;
    let at = this.#fillPending(bytes);
    for (; at + blockBytes <= bytes.length; at += blockBytes) {
      this.#push(0, sha256(bytes.subarray(at, at + blockBytes)));
    }
    if (at < bytes.length) {
      this.#pending ??= takeBlock();
      this.#pending.set(bytes.subarray(at));
      this.#pendingUsed = bytes.length - at;
    }
    return this;
  }

  /** The 32 bytes of the digest. The hasher must not be used after this. */
  digest(): Uint8Array {
    if (this.#pending !== undefined) {
      if (this.#pendingUsed > 0) this.#push(0, hashPadded(this.#pending.subarray(0, this.#pendingUsed)));
      giveBack(this.#pending);
      this.#pending = undefined;
    }
    const digest = hashDescriptor(this.#size, this.#root());
    for (const level of this.#levels.splice(0)) giveBack(level.block);
    return digest;
  }

  /** Completes the block that the last chunk began; returns how many bytes of this chunk went into it. */
  #fillPending(bytes: Uint8Array): number {
    if (this.#pending === undefined || this.#pendingUsed === 0) return 0;
    const taken = Math.min(blockBytes - this.#pendingUsed, bytes.length);
    this.#pending.set(bytes.subarray(0, taken), this.#pendingUsed);
    this.#pendingUsed += taken;
    if (this.#pendingUsed === blockBytes) {
      this.#push(0, sha256(this.#pending));
      this.#pendingUsed = 0;
    }
    return taken;
  }

  // A full block is folded only when the next hash comes, so that the top level ends with exactly one block.
  #push(depth: number, hashed: Uint8Array): void {
    let level = this.#levels[depth];
    if (level === undefined) {
      level = new Level();
      this.#levels.push(level);
    }
    if (level.used === blockBytes) {
      this.#push(depth + 1, sha256(level.block));
      level.used = 0;
    }
    level.block.set(hashed, level.used);
    level.used += hashBytes;
  }

  #root(): Uint8Array {
    if (this.#size === 0) return zeroRoot;
    const first = this.#levels[0];
    if (this.#size <= blockBytes && first !== undefined) return first.block.subarray(0, hashBytes);
    let root: Uint8Array = zeroRoot;
    for (let depth = 0; ; depth++) {
      const level = this.#levels[depth];
      if (level === undefined) return root;
      root = hashPadded(level.block.subarray(0, level.used));
      if (depth + 1 < this.#levels.length) this.#push(depth + 1, root);
    }
  }
}

/** The fs-verity digest (32 bytes) of content that is in memory; content of one block costs two SHA-256. */
export function fsVerityDigest(bytes: Uint8Array): Uint8Array {
  if (bytes.length > blockBytes) return new FsVerityHasher().update(bytes).digest();
  return hashDescriptor(bytes.length, bytes.length === 0 ? zeroRoot : hashPadded(bytes));
}
