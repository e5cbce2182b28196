// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDowelError } from "../../base/errors.ts";
import { mapAtMost } from "../../base/parallel.ts";
import { encodeUtf8 } from "../../base/text.ts";
import type { ChunkedPlaces } from "../../formats/zstd-chunked/annotations.ts";
import { applyTocDelta, isDeltaWorthwhile, unpackTable } from "../../formats/zstd-chunked/delta.ts";
import { editToc, type TocEdit } from "../../formats/zstd-chunked/toc-edit.ts";
import { type Digest, digestHex } from "../../oci/digest.ts";
import type { ImageSource } from "../../oci/source.ts";
import { type FoundDelta, findTocDeltas, wayTo } from "../../oci/tocdelta.ts";
import { collect } from "../../oci/verify.ts";
import { temporaryName } from "../../sys/durability.ts";
import { packZstd } from "../../sys/zstd.ts";
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

/** Before a table that an edit made: the digest that it should have, packed as it came, and that of the bytes that follow. */
const claimHead = "dowel-toc 1 ";
const claimBytes = claimHead.length + 2 * 71 + 2;

/**
 * What `keepToc` is to keep of a table that was made without being packed as the manifest's is: it says the digest of that,
 * and is packed quickly. What is made of it is checked as what is made of any other.
 */
function claimed(json: Uint8Array, { tocDigest }: ChunkedPlaces): Uint8Array {
  const packed = packZstd(json, 1);
  const claim = `${claimHead}${tocDigest} sha256:${hash("sha256", packed, "hex")}\n`;
  return Buffer.concat([encodeUtf8(claim), packed]);
}

/** The table from which a delta leads, packed in some way. */
function keptToc(installation: Installation, { fromLayer, from }: FoundDelta): Uint8Array | undefined {
  try {
    const bytes = readFileSync(tablePath(installation, fromLayer));
    const digest = (part: Uint8Array): string => `sha256:${hash("sha256", part, "hex")}`;
    const claim = bytes.toString("latin1", 0, claimBytes);
    if (!claim.startsWith(claimHead)) return digest(bytes) === from ? bytes : undefined;
    const packed = bytes.subarray(claimBytes);
    return claim === `${claimHead}${from} ${digest(packed)}\n` ? packed : undefined;
  } catch {
    return undefined;
  }
}

/** A table that was made of an earlier one, and that one's layer. */
export interface EditedTable extends Pick<TocEdit, "runs" | "added"> {
  readonly fromLayer: Digest;
  /** For `keepToc`. */
  readonly kept: Uint8Array;
}

/** The deltas that hang on an image's manifest, as far as they lead from what is here. */
export class TocDeltas {
  readonly #installation: Installation;
  readonly #source: ImageSource;
  readonly #manifest: Digest | undefined;
  readonly #signal: AbortSignal | undefined;
  #deltas: readonly FoundDelta[] | undefined;
  /** The earlier tables that were looked for, by the digests of the layer and of the table. */
  readonly #kept = new Map<string, Uint8Array | undefined>();
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
    return await this.#attempt(async () => {
      const found = await this.#find(places);
      let table = found?.table;
      const way = found?.way ?? [];
      const all = await this.fetchAll(way);
      for (const [at, delta] of way.entries()) {
        const bytes = all[at] ?? new Uint8Array(0);
        const unpackedSize = sizeOfTable(delta, places);
        table = table && applyTocDelta(table, bytes, { unpackedSize, digest: delta.to });
      }
      return table;
    });
  }

  /**
   * The table made without a look at what is the same as in the earlier one, and the diff id of the layer that had that;
   * undefined as for `make`. Its digest is not compared, so that something else must vouch for what is made of it.
   */
  async edit(places: ChunkedPlaces): Promise<EditedTable | undefined> {
    return await this.#attempt(async () => {
      const found = await this.#find(places);
      const [first] = found?.way ?? [];
      if (found === undefined || first === undefined) return undefined;
      const all = await this.fetchAll(found.way);
      const steps = found.way.map((delta, at) => {
        return { delta: all[at] ?? new Uint8Array(0), unpackedSize: sizeOfTable(delta, places) };
      });
      const json = unpackTable(found.table, "earlier table of contents");
      const { json: made, ...edit } = editToc(json, steps, places.payloadEnd);
      return { ...edit, kept: claimed(made, places), fromLayer: first.fromLayer };
    });
  }

  /** Undefined where a delta is at fault: it only saves bytes. */
  async #attempt<T>(work: () => Promise<T | undefined>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#deltas ??= [];
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
    }
    return undefined;
  }

  /** An earlier table that is here, and the deltas that lead from it to the one that `places` names. */
  async #find(
    places: ChunkedPlaces,
  ): Promise<{ readonly table: Uint8Array; readonly way: readonly FoundDelta[] } | undefined> {
    if (this.#manifest === undefined || !isDeltaWorthwhile(places)) return undefined;
    this.#deltas ??= await findTocDeltas(this.#source, this.#manifest, this.#signal);
    const tables = this.#deltas.filter(({ makes }) => makes === "table");
    let table: Uint8Array | undefined;
    const way = wayTo(tables, places.tocDigest, (delta) => {
      table = this.#keptToc(delta);
      return table !== undefined;
    });
    return way === undefined || table === undefined || sizeOf(way) > places.toc.size ? undefined : { table, way };
  }

  #keptToc(delta: FoundDelta): Uint8Array | undefined {
    const key = `${delta.fromLayer} ${delta.from}`;
    if (!this.#kept.has(key)) this.#kept.set(key, keptToc(this.#installation, delta));
    return this.#kept.get(key);
  }

  /**
   * The deltas by which contents of the layer with a table may be made of what an earlier one had, of which the table is
   * here; in the order of the versions. Empty where there are none, or where nobody has looked for them.
   */
  forFiles(tocDigest: string): readonly FoundDelta[] {
    const deltas = this.#deltas ?? [];
    const way = wayTo(deltas, tocDigest, (delta) => this.#keptToc(delta) !== undefined);
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

function sizeOfTable({ to, unpackedSize }: FoundDelta, { tocDigest, toc }: ChunkedPlaces): number {
  return to === tocDigest ? toc.unpackedSize : unpackedSize;
}

/** Bytes of the blobs of deltas. */
export function sizeOf(deltas: readonly FoundDelta[]): number {
  return deltas.reduce((sum, { blob }) => sum + blob.size, 0);
}
