// SPDX-License-Identifier: Apache-2.0

/** Offsets and numbers of a composefs image, versions 0 and 1: an EROFS file system behind a header. */

export const blockBytes = 4096;
export const slotBytes = 32;
export const headerMagic = 0xd078629a;
/** Header flag: some inode has a POSIX ACL. */
export const headerFlagAcl = 1;
export const superblockOffset = 1024;
export const superblockMagic = 0xe0f5e1e2;
/** feature_compat: MTIME and XATTR_FILTER. */
export const featureCompat = 6;
export const firstInodeOffset = superblockOffset + 128;

export const compactInodeBytes = 32;
export const extendedInodeBytes = 64;
export const layoutPlain = 0;
export const layoutInline = 2;
export const layoutChunked = 4;
export const xattrHeaderBytes = 12;
export const direntBytes = 12;
/** Last parts longer than this get a block of their own. */
export const maxTailBytes = 2048;
export const maxInlineContentBytes = 5000;
export const maxSharedXattrs = 128;
export const maxXattrBytes = 32_767;
/** 512 chunks of the largest size: their addresses are never more than a tail may be. */
export const maxObjectBytes = 2 ** 52;

export const modeOf = {
  directory: 0o040000,
  inline: 0o100000,
  external: 0o100000,
  symlink: 0o120000,
  character: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
  socket: 0o140000,
} as const;

/** EROFS directory entry types, by the type bits of the mode shifted right by twelve. */
export const fileTypeOfMode: Readonly<Record<number, number>> = { 8: 1, 4: 2, 2: 3, 6: 4, 1: 5, 12: 6, 10: 7 };

/** Names of xattrs that overlayfs gives a meaning, and how they are kept where it must not see them. */
export const overlayPrefix = "trusted.overlay.";
export const escapedOverlayPrefix = "trusted.overlay.overlay.";
export const xattrMetacopy = "trusted.overlay.metacopy";
export const xattrRedirect = "trusted.overlay.redirect";
export const xattrOpaque = "trusted.overlay.opaque";
export const xattrsOfWhiteout = ["trusted.overlay.overlay.whiteout", "user.overlay.whiteout"] as const;
export const xattrsOfWhiteoutParent = ["trusted.overlay.overlay.whiteouts", "user.overlay.whiteouts"] as const;
export const xattrsOfOpaqueParent = ["trusted.overlay.overlay.opaque", "user.overlay.opaque"] as const;
export const xattrSelinux = "security.selinux";
/** {0, length, 0, FS_VERITY_HASH_ALG_SHA256}, before the digest. */
export const metacopyHeader = "\x00\x24\x00\x01";

/** Names of the folders of an object store: 00 to ff, which the root hides. */
export const stubNames: readonly string[] = Array.from({ length: 256 }, (_, index) =>
  index.toString(16).padStart(2, "0"),
);
