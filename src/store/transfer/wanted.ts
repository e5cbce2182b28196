// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { Ref } from "../../metadata/ref.ts";
import { decodeConfig, type ImageConfig } from "../../oci/config.ts";
import { type Digest, digestHex } from "../../oci/digest.ts";
import { decodeManifest, type ImageManifest } from "../../oci/manifest.ts";
import type { ImageSource, ResolvedDocument } from "../../oci/source.ts";
import { refOfLabels } from "../image/identity.ts";
import { type Voucher, voucherOf } from "../image/voucher.ts";

/** An image that an import is to bring, as its manifest and its config say. */
export interface WantedImage {
  /** For errors: the source and the digest. */
  readonly name: string;
  readonly digest: Digest;
  /** The digest's hexadecimal part. */
  readonly commit: string;
  readonly ref: Ref;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  readonly voucher: Voucher | undefined;
  /** The documents as they came. */
  readonly documents: { readonly manifest: Uint8Array; readonly config: Uint8Array };
}

/** Reads what an image is. `knownConfig`: the config's bytes, where they are here and were checked against the manifest. */
export async function readWanted(
  source: ImageSource,
  { descriptor, bytes }: ResolvedDocument,
  knownConfig: Uint8Array | undefined,
  signal: AbortSignal | undefined,
): Promise<WantedImage> {
  const { digest } = descriptor;
  const name = `${source.name}@${digest}`;
  const manifest = decodeManifest(bytes, descriptor.mediaType, name);
  const configBytes = knownConfig ?? (await source.fetchDocument(manifest.config, signal));
  const config = decodeConfig(configBytes, `${name}: config`);
  const ref = refOfLabels(config.labels, name);
  checkLayers(manifest, config, name);
  const voucher = voucherOf(manifest.annotations);
  const documents = { manifest: bytes, config: configBytes };
  return { name, digest, commit: digestHex(digest), ref, manifest, config, voucher, documents };
}

function checkLayers(manifest: ImageManifest, config: ImageConfig, name: string): void {
  const layers = manifest.layers.length;
  const diffIds = config.diffIds.length;
  if (layers === diffIds && layers > 0) return;
  throw new DowelError(
    "OCI_MANIFEST_INVALID",
    `${name}: ${layers} layers but ${diffIds} diff_ids; both must be the same number, from 1`,
  );
}
