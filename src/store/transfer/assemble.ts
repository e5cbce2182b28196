// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { checkCancelled, DowelError } from "../../base/errors.ts";
import type { BlobPart } from "../../formats/zstd-chunked/answer.ts";
import { type PackedPiece, readPieces, unpackPiece } from "../../formats/zstd-chunked/pieces.ts";
import type { ChunkOrigin, FetchPlan, WantedFile } from "../../formats/zstd-chunked/plan.ts";
import type { TocChunk, TocEntry } from "../../formats/zstd-chunked/toc.ts";
import type { FileContent } from "../image/tree.ts";
import { isExecutable } from "../image/unpack.ts";
import type { LayerContents } from "./contents.ts";
import { commitBytes, type LayerContext, mayContinue } from "./context.ts";

const wholeBytes = 1024 * 1024;
/** Chunks that come twice in one file are kept in memory, up to this size. */
const repeatedBytes = 64 * 1024 * 1024;
const zeros = new Uint8Array(wholeBytes);

/** Whether `fetchWanted` can carry out a plan. */
export function isFeasible(plan: FetchPlan): boolean {
  return plan.wanted.every(({ entry, origins }) => {
    const repeated = new Set(origins.flatMap((origin) => repeatIn(entry, origin) ?? []));
    return [...repeated].reduce((sum, { size }) => sum + size, 0) <= repeatedBytes;
  });
}

function repeatIn(entry: TocEntry, origin: ChunkOrigin): TocChunk | undefined {
  return typeof origin === "object" && origin.entry === entry ? origin.chunk : undefined;
}

/**
 * Puts the wanted files of a plan together, of the parts of the blob that it names and of what is here, and stages them.
 * Where the transfer breaks off, the files that are complete become objects, so that they need not come again.
 * Throws DIGEST_MISMATCH, COMPRESSION_INVALID, LIMIT_EXCEEDED, or what the parts throw.
 */
export async function fetchWanted(
  context: LayerContext,
  plan: FetchPlan,
  parts: AsyncIterable<BlobPart>,
  contents: LayerContents,
): Promise<void> {
  const { staging, index, signal } = context;
  const pieces = readPieces(
    plan.ranges.flatMap((range) => range.pieces),
    parts,
  );
  const keep = async (): Promise<void> => {
    await staging.commit();
    index?.save();
  };
  try {
    for (const file of plan.wanted) {
      checkCancelled(signal);
      const content = await stage(context, file, bodyOf(file, pieces, contents));
      contents.put(file.entry, content);
      if (staging.stagedBytes > commitBytes) await keep();
    }
  } catch (error) {
    if (mayContinue(error)) await keepQuietly(keep);
    throw error;
  } finally {
    await pieces.return();
  }
}

/** The error that ended the transfer is the one to show. */
async function keepQuietly(keep: () => Promise<void>): Promise<void> {
  try {
    await keep();
  } catch {}
}

async function stage(
  { staging }: LayerContext,
  { entry }: WantedFile,
  body: AsyncGenerator<Uint8Array>,
): Promise<FileContent> {
  const checked = checkedBody(entry, body);
  const executable = isExecutable(entry);
  if (entry.size > wholeBytes) return staging.addStream(checked, executable);
  const parts: Uint8Array[] = [];
  for await (const part of checked) parts.push(part);
  return staging.add(parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts), executable);
}

/** A file of one chunk has the digest that its chunk was checked for. */
async function* checkedBody(entry: TocEntry, body: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const [only, second] = entry.chunks;
  if (second === undefined && only?.digest === entry.digest && only?.hole === false) {
    yield* body;
    return;
  }
  const hash = createHash("sha256");
  for await (const bytes of body) {
    hash.update(bytes);
    yield bytes;
  }
  const found = `sha256:${hash.digest("hex")}`;
  if (found === entry.digest) return;
  const text = `zstd:chunked layer, entry ${JSON.stringify(entry.path)}: its chunks make ${found}, not ${entry.digest}`;
  throw new DowelError("DIGEST_MISMATCH", text);
}

async function* bodyOf(
  { entry, origins }: WantedFile,
  pieces: AsyncGenerator<PackedPiece, void>,
  contents: LayerContents,
): AsyncGenerator<Uint8Array> {
  const repeated = new Set(origins.flatMap((origin) => repeatIn(entry, origin) ?? []));
  const kept = new Map<TocChunk, Uint8Array[]>();
  for (const [at, origin] of origins.entries()) {
    const chunk = entry.chunks[at];
    if (chunk === undefined) continue;
    if (origin === "fetched") {
      const copies: Uint8Array[] = [];
      for await (const bytes of nextPiece(pieces)) {
        if (repeated.has(chunk)) copies.push(new Uint8Array(bytes));
        yield bytes;
      }
      if (repeated.has(chunk)) kept.set(chunk, copies);
    } else if (origin === "hole") {
      for (let rest = chunk.size; rest > 0; rest -= zeros.length) yield zeros.subarray(0, Math.min(rest, zeros.length));
    } else if (origin === "held") {
      yield contents.heldChunk(chunk.digest) ?? vanished(entry);
    } else if (origin.entry === entry) {
      yield* kept.get(origin.chunk) ?? [];
    } else {
      yield* contents.read(origin.entry.digest ?? "", origin.chunk.offset, origin.chunk.size);
    }
  }
}

async function* nextPiece(pieces: AsyncGenerator<PackedPiece, void>): AsyncGenerator<Uint8Array> {
  const next = await pieces.next();
  if (next.done !== true) yield* unpackPiece(next.value);
}

function vanished(entry: TocEntry): never {
  throw new DowelError("STORE_INVALID", `An object with a part of ${JSON.stringify(entry.path)} has changed`, {
    hint: "Run: dowel repair",
  });
}
