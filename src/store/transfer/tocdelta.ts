// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { mapAtMost } from "../../base/parallel.ts";
import type { ChunkedPlaces } from "../../formats/zstd-chunked/annotations.ts";
import { applyTocDelta, isDeltaWorthwhile } from "../../formats/zstd-chunked/delta.ts";
import { type EntryEdit, readEntryDeltas } from "../../formats/zstd-chunked/entry-delta.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestHex } from "../../oci/digest.ts";
import { decodeManifest } from "../../oci/manifest.ts";
import { mediaTypes } from "../../oci/mediatypes.ts";
import type { ImageSource } from "../../oci/source.ts";
import { type FoundDelta, findTocDeltas, wayTo } from "../../oci/tocdelta.ts";
import { collect } from "../../oci/verify.ts";
import { temporaryName } from "../../sys/durability.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import { placeOfRecord } from "../image/record.ts";
import { imageFolder } from "../image/stored.ts";
import type { Installation } from "../installation.ts";
import { placesOf } from "./tables.ts";

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

/** The packed table from which a delta leads. */
function keptToc(installation: Installation, { fromLayer, from }: FoundDelta): Uint8Array | undefined {
  try {
    const bytes = readPlainFile(tablePath(installation, fromLayer));
    return `sha256:${hash("sha256", bytes, "hex")}` === from ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** What became of the entries of an earlier layer, and that layer. */
export interface EditedEntries extends EntryEdit {
  readonly fromLayer: Digest;
}

/** Whether deltas to a layer may be looked for. */
export function mayHaveDeltas(layer: Descriptor): boolean {
  const places = placesOf(layer);
  return places !== undefined && isDeltaWorthwhile(places);
}

/** Whether an image that is here has such layers, so that the next version of it is likely to have deltas. */
export function hasDeltaLayers(installation: Installation, commit: string): boolean {
  const path = join(imageFolder(installation, commit), "manifest.json");
  try {
    return decodeManifest(readPlainFile(path), mediaTypes.ociManifest, path).layers.some(mayHaveDeltas);
  } catch {
    return false;
  }
}

/** Where deltas are, and what they may lead from. */
export interface DeltaPlaces {
  readonly installation: Installation;
  readonly source: ImageSource;
  /** Of the image. */
  readonly manifest: Digest;
  /** Commits whose images have the layers that deltas may lead from; without any, nobody is asked for deltas. */
  readonly earlier: readonly string[];
  /** What hangs on the manifest, where it was asked for already. */
  readonly found?: Promise<readonly FoundDelta[]> | undefined;
}

/** The deltas that hang on an image's manifest, as far as they lead from what is here. */
export class TocDeltas {
  readonly #places: DeltaPlaces;
  readonly #images: readonly string[];
  readonly #signal: AbortSignal | undefined;
  /** What was found, when it was. */
  #deltas: readonly FoundDelta[] = [];
  #finding: Promise<readonly FoundDelta[]> | undefined;
  /** Bytes of deltas that came before anybody asked for them. */
  readonly #fetched = new Map<Digest, Uint8Array>();
  #bytes = 0;

  constructor(places: DeltaPlaces, signal: AbortSignal | undefined) {
    this.#places = places;
    this.#finding = places.found;
    this.#images = places.earlier.map((commit) => imageFolder(places.installation, commit));
    this.#signal = signal;
  }

  /** Bytes of deltas that came. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The packed table, with the digest that `places` names; undefined where it must be fetched whole. Throws ABORTED. */
  async make(places: ChunkedPlaces): Promise<Uint8Array | undefined> {
    return await this.#attempt(async () => {
      const found = await this.#wayFromTable(places);
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

  /** Begins to look for deltas. What goes wrong is thrown where they are used. */
  begin(): void {
    this.#find().catch(() => undefined);
  }

  /**
   * What the entries of a layer are of those of an earlier one, which has a record here; undefined as for `make`. Nothing
   * vouches for it, so that what is made of it must be compared. The deltas of files that may be needed come with it: `announce` is
   * told of their bytes before.
   */
  async edit(places: ChunkedPlaces, announce: (bytes: number) => void): Promise<EditedEntries | undefined> {
    return await this.#attempt(async () => {
      if (!isDeltaWorthwhile(places)) return undefined;
      const entries = (await this.#find()).filter(({ makes }) => makes === "entries");
      const way = wayTo(entries, places.tocDigest, (delta) => this.#isHere(delta));
      const [first] = way ?? [];
      if (way === undefined || first === undefined || sizeOf(way) > places.toc.size) return undefined;
      const files = this.forFiles(places.tocDigest);
      const isWorthwhile = sizeOf(files) <= Math.min(limits.fileDeltaBytes, places.payloadEnd);
      const fetching = Promise.allSettled([this.fetchAll(way), isWorthwhile ? this.#fetchAhead(files) : undefined]);
      if (isWorthwhile) announce(sizeOf(files));
      const [deltas] = await fetching;
      if (deltas.status === "rejected") throw deltas.reason;
      return { ...readEntryDeltas(deltas.value, places.payloadEnd), fromLayer: first.fromLayer };
    });
  }

  /** Undefined where a delta is at fault: it only saves bytes. */
  async #attempt<T>(work: () => Promise<T | undefined>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
    }
    return undefined;
  }

  async #find(): Promise<readonly FoundDelta[]> {
    const { source, manifest, earlier } = this.#places;
    if (earlier.length === 0) return [];
    this.#finding ??= findTocDeltas(source, manifest, this.#signal);
    this.#deltas = await this.#finding;
    return this.#deltas;
  }

  /** An earlier table that is here, and the deltas that lead from it to the one that `places` names. */
  async #wayFromTable(
    places: ChunkedPlaces,
  ): Promise<{ readonly table: Uint8Array; readonly way: readonly FoundDelta[] } | undefined> {
    if (!isDeltaWorthwhile(places)) return undefined;
    const tables = (await this.#find()).filter(({ makes }) => makes === "table");
    let table: Uint8Array | undefined;
    const way = wayTo(tables, places.tocDigest, (delta) => {
      table = keptToc(this.#places.installation, delta);
      return table !== undefined;
    });
    return way === undefined || table === undefined || sizeOf(way) > places.toc.size ? undefined : { table, way };
  }

  #isHere({ fromLayer }: FoundDelta): boolean {
    return placeOfRecord(this.#places.installation, fromLayer, this.#images) !== undefined;
  }

  /**
   * The deltas by which contents of the layer with a table may be made of what an earlier one had, whose record is here; in
   * the order of the versions. Empty where there are none, or where nobody has looked for them.
   */
  forFiles(tocDigest: string): readonly FoundDelta[] {
    const way = wayTo(this.#deltas, tocDigest, (delta) => this.#isHere(delta));
    return (way ?? []).flatMap(
      ({ from, to }) => this.#deltas.find((one) => one.makes === "files" && one.from === from && one.to === to) ?? [],
    );
  }

  /** Fetches what may be needed soon. What goes wrong with it comes up again when it is. */
  async #fetchAhead(deltas: readonly FoundDelta[]): Promise<void> {
    const all = await this.fetchAll(deltas);
    for (const [at, bytes] of all.entries()) {
      const delta = deltas[at];
      if (delta !== undefined) this.#fetched.set(delta.blob.digest, bytes);
    }
  }

  /** Whether deltas have come. */
  areFetched(deltas: readonly FoundDelta[]): boolean {
    return deltas.every(({ blob }) => this.#fetched.has(blob.digest));
  }

  /** The bytes of deltas, in their order, which the caller has found few enough to keep in memory together. */
  async fetchAll(deltas: readonly FoundDelta[]): Promise<readonly Uint8Array[]> {
    const { source } = this.#places;
    return await mapAtMost(deltas, deltasAtOnce, async ({ blob }) => {
      const fetched = this.#fetched.get(blob.digest);
      if (fetched !== undefined) return fetched;
      const chunks = source.openBlob(blob, { signal: this.#signal });
      const bytes = await collect(chunks, blob.size, `${source.name}: ${blob.digest}`);
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
