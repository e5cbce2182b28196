// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDowelError } from "../../base/errors.ts";
import type { ChunkedPlaces } from "../../formats/zstd-chunked/annotations.ts";
import { applyTocDelta, isDeltaWorthwhile } from "../../formats/zstd-chunked/delta.ts";
import { type Digest, digestHex } from "../../oci/digest.ts";
import type { ImageSource } from "../../oci/source.ts";
import { findTocDeltas } from "../../oci/tocdelta.ts";
import { collect } from "../../oci/verify.ts";
import { temporaryName } from "../../sys/durability.ts";
import { releaseMemory } from "../../sys/runtime.ts";
import type { Installation } from "../installation.ts";

type Deltas = Awaited<ReturnType<typeof findTocDeltas>>;

/** Where the packed table of contents of a layer is kept, beside its record. It is checked before use, so never synced. */
function tablePath(installation: Installation, diffId: Digest): string {
  return join(installation.layers, `${digestHex(diffId)}.toc`);
}

/** Keeps the table of a layer that came, to make that of a later one of it. Where it cannot be kept, nothing is lost. */
export function keepToc(installation: Installation, diffId: Digest, toc: Uint8Array, places: ChunkedPlaces): void {
  if (!isDeltaWorthwhile(places.toc)) return;
  const path = tablePath(installation, diffId);
  const temporary = temporaryName(path);
  try {
    writeFileSync(temporary, toc, { flag: "wx" });
    renameSync(temporary, path);
  } catch {
    rmSync(temporary, { force: true });
  }
}

function keptToc(installation: Installation, { fromLayer, from }: Deltas[number]): Uint8Array | undefined {
  try {
    const bytes = readFileSync(tablePath(installation, fromLayer));
    return `sha256:${hash("sha256", bytes, "hex")}` === from ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** Makes tables of contents of an image's layers by the deltas that hang on its manifest. */
export class TocDeltas {
  readonly #installation: Installation;
  readonly #source: ImageSource;
  readonly #manifest: Digest;
  readonly #signal: AbortSignal | undefined;
  #deltas: Deltas | undefined;
  #bytes = 0;

  constructor(installation: Installation, source: ImageSource, manifest: Digest, signal: AbortSignal | undefined) {
    this.#installation = installation;
    this.#source = source;
    this.#manifest = manifest;
    this.#signal = signal;
  }

  /** Bytes of deltas that came. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The packed table, with the digest that `places` names; undefined where it must be fetched whole. Throws ABORTED. */
  async make(places: ChunkedPlaces): Promise<Uint8Array | undefined> {
    if (!isDeltaWorthwhile(places.toc)) return undefined;
    try {
      this.#deltas ??= await findTocDeltas(this.#source, this.#manifest, this.#signal);
      for (const delta of this.#deltas) {
        if (delta.to !== places.tocDigest || delta.blob.size > places.toc.size) continue;
        const from = keptToc(this.#installation, delta);
        if (from === undefined) continue;
        const what = `${this.#source.name}: ${delta.blob.digest}`;
        const chunks = this.#source.openBlob(delta.blob, { signal: this.#signal });
        const bytes = await collect(chunks, places.toc.size, what);
        this.#bytes += bytes.length;
        const toc = applyTocDelta(from, bytes, places);
        releaseMemory();
        return toc;
      }
    } catch (error) {
      this.#deltas ??= [];
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
    }
    return undefined;
  }
}
