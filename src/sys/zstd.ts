// SPDX-License-Identifier: Apache-2.0

/**
 * Packs bytes as one zstd frame that states their size and has no checksum. The same bytes and level give the same
 * frame. Small contents cost several times less than with node:zlib, which makes an engine for each.
 */
export function packZstd(bytes: Uint8Array, level: number): Uint8Array {
  return Bun.zstdCompressSync(bytes, { level });
}

/** The frame that `packZstd` gives, made by another thread. Nobody may write to the bytes meanwhile. */
export function packZstdAside(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  return Bun.zstdCompress(bytes, { level });
}
