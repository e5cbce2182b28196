// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { mapAtMost } from "../../base/parallel.ts";
import type { Repository } from "../client/registry.ts";
import type { Descriptor } from "../descriptor.ts";
import { type Digest, digestAlgorithm, digestHex } from "../digest.ts";
import { decodeManifest } from "../manifest.ts";
import type { ClassicSignature } from "./found.ts";

/** Media type of the payload of a classic signature, and the annotations that go with it. */
export const classicMediaType = "application/vnd.dev.cosign.simplesigning.v1+json";
export const classicAnnotations = {
  signature: "dev.cosignproject.cosign/signature",
  certificate: "dev.sigstore.cosign/certificate",
  chain: "dev.sigstore.cosign/chain",
  logEntry: "dev.sigstore.cosign/bundle",
} as const;
export const bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json";
const bundlePattern = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.\d+)?\+json/;

const signaturesAtOnce = 4;

/** The tag that cosign's classic signatures of a manifest hang on. */
export function classicTag(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest)}.sig`;
}

function checkCount(count: number, what: string): void {
  if (count <= limits.signaturesPerImage) return;
  throw new DowelError("LIMIT_EXCEEDED", `${what}: ${count} signatures, at most ${limits.signaturesPerImage} allowed`);
}

async function fetchSmall(source: Repository, descriptor: Descriptor, signal: AbortSignal | undefined) {
  if (descriptor.size > limits.signatureBytes) {
    const what = `${source.name}: signature ${descriptor.digest}`;
    throw new DowelError(
      "LIMIT_EXCEEDED",
      `${what}: ${descriptor.size} bytes, at most ${limits.signatureBytes} allowed`,
    );
  }
  return source.fetchDocument(descriptor, signal);
}

/** Cosign's classic signatures of a manifest; none where their tag is missing. Nothing in them is checked. */
export async function findClassic(
  source: Repository,
  digest: Digest,
  signal?: AbortSignal,
): Promise<readonly ClassicSignature[]> {
  const tag = classicTag(digest);
  let manifest: ReturnType<typeof decodeManifest>;
  try {
    const { descriptor, bytes } = await source.resolve(tag, signal);
    manifest = decodeManifest(bytes, descriptor.mediaType, `${source.name}:${tag}`);
  } catch (error) {
    if (isDowelError(error, "REGISTRY_NOT_FOUND")) return [];
    throw error;
  }
  const layers = manifest.layers.filter(({ mediaType }) => mediaType === classicMediaType);
  checkCount(layers.length, `${source.name}:${tag}`);
  return await mapAtMost(layers, signaturesAtOnce, async (layer) => {
    const value = (name: keyof typeof classicAnnotations) => layer.annotations?.get(classicAnnotations[name]);
    return {
      payload: await fetchSmall(source, layer, signal),
      signature: Buffer.from(value("signature") ?? "", "base64"),
      certificate: value("certificate"),
      chain: value("chain"),
      logEntry: value("logEntry"),
    };
  });
}

/** Sigstore bundles that refer to a manifest, by the referrers API or its fallback tag. Nothing in them is checked. */
export async function findBundles(
  source: Repository,
  digest: Digest,
  signal?: AbortSignal,
): Promise<readonly Uint8Array[]> {
  const referrers = await source.referrers(digest, undefined, signal);
  const wanted = referrers.filter(({ artifactType }) => bundlePattern.test(artifactType ?? ""));
  checkCount(wanted.length, `${source.name}@${digest}`);
  const bundles = await mapAtMost(wanted, signaturesAtOnce, async (entry) => {
    const bytes = await source.fetchDocument(entry, signal);
    const { layers } = decodeManifest(bytes, entry.mediaType, `${source.name}@${entry.digest}`);
    const [layer, second] = layers;
    if (layer === undefined || second !== undefined || !bundlePattern.test(layer.mediaType)) return [];
    return [await fetchSmall(source, layer, signal)];
  });
  return bundles.flat();
}
