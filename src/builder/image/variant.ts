// SPDX-License-Identifier: Apache-2.0
import { encodeUtf8 } from "../../base/text.ts";
import { readExtraData } from "../../metadata/extradata.ts";
import { encodeExtraSources, extraSourcesType } from "../../metadata/extravariant.ts";

/** A serialized GVariant of type `v`: the data, NUL, the type (GVariant specification 2.5.5). */
function variant(data: Uint8Array, type: string): Uint8Array {
  return Buffer.concat([data, new Uint8Array(1), encodeUtf8(type)]);
}

function text(value: string): Uint8Array {
  return variant(Buffer.concat([encodeUtf8(value), new Uint8Array(1)]), "s");
}

/** Flatpak keeps sizes in commits in big-endian order, whatever the machine. */
function size(value: number): Uint8Array {
  const data = Buffer.alloc(8);
  data.writeBigUInt64BE(BigInt(value));
  return variant(data, "t");
}

/**
 * What Flatpak puts on the commit that it makes of an image; it refuses to deploy one whose `xa.metadata` is missing or
 * differs, and fetches the extra data that `xa.extra-data-sources` names.
 */
export function commitMetadata(
  ref: string,
  metadata: string,
  installedSize: number,
  downloadSize: number,
): ReadonlyMap<string, Uint8Array> {
  const extra = readExtraData(metadata, new Map());
  return new Map([
    ["xa.ref", text(ref)],
    ["xa.metadata", text(metadata)],
    ["xa.installed-size", size(installedSize)],
    ["xa.download-size", size(downloadSize)],
    ...(extra === undefined
      ? []
      : [["xa.extra-data-sources", variant(encodeExtraSources(extra.files), extraSourcesType)] as const]),
  ]);
}
