// SPDX-License-Identifier: Apache-2.0

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** Limits on hostile input, by name. Past one of them comes `LIMIT_EXCEEDED`, and nothing half-done stays. */
export const limits = {
  /** Manifests, indexes and configs; what containers/image allows. */
  ociDocumentBytes: 4 * MiB,
  /** Token answers and error bodies of registries. */
  registryErrorBytes: 1 * MiB,
  /** A static index of a whole remote. */
  remoteIndexBytes: 256 * MiB,
  layersPerImage: 512,
  layerBytes: 64 * GiB,
  unpackedImageBytes: 256 * GiB,
  /** Unpacked bytes for each compressed byte before a stream counts as a bomb, above a floor of 64 MiB. */
  expansionRatio: 1000,
  expansionFloorBytes: 64 * MiB,
  imageEntries: 10_000_000,
  pathBytes: 4095,
  nameBytes: 255,
  pathDepth: 256,
  symlinkTargetBytes: 4095,
  tarExtendedHeaderBytes: 1 * MiB,
  xattrsPerEntry: 128,
  xattrValueBytes: 65_535,
  keyfileBytes: 4 * MiB,
  manifestBytes: 16 * MiB,
  manifestIncludeDepth: 32,
  /** Nesting and number of values of a manifest. */
  documentDepth: 64,
  documentNodes: 200_000,
  redirects: 20,
  /** Pages of a list of tags or repositories. */
  registryListPages: 10_000,
} as const;
