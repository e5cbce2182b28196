// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDowelError } from "../../base/errors.ts";
import { mapAtMost } from "../../base/parallel.ts";
import type { ChunkedPlaces } from "../../formats/zstd-chunked/annotations.ts";
import { applyTocDelta, isDeltaWorthwhile } from "../../formats/zstd-chunked/delta.ts";
import { type Digest, digestHex } from "../../oci/digest.ts";
import type { ImageSource } from "../../oci/source.ts";
import { type FoundDelta, findTocDeltas, wayTo } from "../../oci/tocdelta.ts";
import { collect } from "../../oci/verify.ts";
import { temporaryName } from "../../sys/durability.ts";
import { releaseMemory } from "../../sys/runtime.ts";
import type { Installation } from "../installation.ts";

const deltasAtOnce = 4;

/** Where the packed table of contents of a layer is kept, beside its record. It is checked before use, so never synced. */
function tablePath(installation: Installation, diffId: Digest): string {
  return join(installation.layers, `${digestHex(diffId)}.toc`);
}

/** Keeps the table of a layer that came, to make that of a later one of it. Where it cannot be kept, nothing is lost. */
export function keepToc(installation: Installation, diffId: Digest, toc: Uint8Array, places: ChunkedPlaces): void {
  if (!isDeltaWorthwhile(places)) return;
  const path = tablePath(installation, diffId);
  const temporary = temporaryName(path);
  try {
    writeFileSync(temporary, toc, { flag: "wx" });
    renameSync(temporary, path);
  } catch {
    rmSync(temporary, { force: true });
  }
}

function keptToc(installation: Installation, { fromLayer, from }: FoundDelta): Uint8Array | undefined {
  try {
    const bytes = readFileSync(tablePath(installation, fromLayer));
    return `sha256:${hash("sha256", bytes, "hex")}` === from ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** The deltas that hang on an image's manifest, as far as they lead from what is here. */
export class TocDeltas {
  readonly #installation: Installation;
  readonly #source: ImageSource;
  readonly #manifest: Digest | undefined;
  readonly #signal: AbortSignal | undefined;
  #deltas: readonly FoundDelta[] | undefined;
  #bytes = 0;

  /** `manifest` is undefined where nothing of an earlier version is here: then nobody is asked for deltas. */
  constructor(
    installation: Installation,
    source: ImageSource,
    manifest: Digest | undefined,
    signal: AbortSignal | undefined,
  ) {
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
    if (this.#manifest === undefined || !isDeltaWorthwhile(places)) return undefined;
    try {
      this.#deltas ??= await findTocDeltas(this.#source, this.#manifest, this.#signal);
      const tables = this.#deltas.filter(({ makes }) => makes === "table");
      let table: Uint8Array | undefined;
      const way = wayTo(tables, places.tocDigest, (delta) => {
        table = keptToc(this.#installation, delta);
        return table !== undefined;
      });
      if (way === undefined || sizeOf(way) > places.toc.size) return undefined;
      const all = await this.fetchAll(way);
      for (const [at, delta] of way.entries()) {
        const bytes = all[at] ?? new Uint8Array(0);
        const isLast = delta.to === places.tocDigest;
        const unpackedSize = isLast ? places.toc.unpackedSize : delta.unpackedSize;
        table = table && applyTocDelta(table, bytes, { unpackedSize, digest: delta.to });
      }
      releaseMemory();
      return table;
    } catch (error) {
      this.#deltas ??= [];
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
    }
    return undefined;
  }

  /**
   * The deltas by which contents of the layer with a table may be made of what an earlier one had, of which the table is
   * here; in the order of the versions. Empty where there are none, or where nobody has looked for them.
   */
  forFiles(tocDigest: string): readonly FoundDelta[] {
    const deltas = this.#deltas ?? [];
    const way = wayTo(deltas, tocDigest, (delta) => keptToc(this.#installation, delta) !== undefined);
    return (way ?? []).flatMap(
      ({ from, to }) => deltas.find((one) => one.makes === "files" && one.from === from && one.to === to) ?? [],
    );
  }

  /** The bytes of deltas, in their order, which the caller has found few enough to keep in memory together. */
  async fetchAll(deltas: readonly FoundDelta[]): Promise<readonly Uint8Array[]> {
    return await mapAtMost(deltas, deltasAtOnce, async ({ blob }) => {
      const chunks = this.#source.openBlob(blob, { signal: this.#signal });
      const bytes = await collect(chunks, blob.size, `${this.#source.name}: ${blob.digest}`);
      this.#bytes += bytes.length;
      return bytes;
    });
  }
}

/** Bytes of the blobs of deltas. */
export function sizeOf(deltas: readonly FoundDelta[]): number {
  return deltas.reduce((sum, { blob }) => sum + blob.size, 0);
}
