// SPDX-License-Identifier: Apache-2.0

import { createHash, type Hash } from "node:crypto";
import type { ErrorCode } from "../../base/codes.ts";
import { DowelError } from "../../base/errors.ts";
import { type Digest, type DigestAlgorithm, finishDigest } from "../../oci/digest.ts";
import { objectDigest, type StagedContent, Stager, type StagerPlaces } from "./stager.ts";

/** What a batch says of an item. */
export const itemFlag = { executable: 1, part: 2, last: 4, copied: 8 } as const;

/** A piece of an archive, and the contents and parts of contents in it, on their way to a stager. */
export interface Batch {
  /** Memory that begins with the piece. */
  readonly buffer: ArrayBuffer;
  /** Bytes of the piece. */
  readonly used: number;
  /** For each item where it begins in the buffer, its length and its flags. */
  readonly items: readonly number[];
  /** The items that are `copied`: they do not lie in the buffer as a whole. */
  readonly copies: readonly Uint8Array<ArrayBuffer>[];
  /** Said where an archive begins: how it is to be digested. */
  readonly begin: DigestAlgorithm | undefined;
  /** Whether the archive ends. */
  readonly end: boolean;
  /** Whether staged contents have become objects since the last batch. */
  readonly forget: boolean;
  /** Whether all that is staged is to be made durable then, or to become objects besides. */
  readonly after: "sync" | "commit" | undefined;
  /** Whether the digests of contents are wanted before any more is written to files. */
  readonly ahead: boolean;
}

/** The digests (hex) of the contents that end in a batch, told ahead; undefined for those that come in parts. */
export interface AheadDigests {
  readonly ahead: readonly (string | undefined)[];
}

/** What can be told of an error to another thread. */
interface ToldError {
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}

/** What comes back of a batch; all contents before the one that failed are staged. */
export interface BatchResult {
  /** The memory of the batch, to be used again. */
  readonly buffer: ArrayBuffer;
  /** One for each content that ended in the batch. */
  readonly contents: readonly StagedContent[];
  /** Of the archive that ended in the batch. */
  readonly digest: Digest | undefined;
  /** The digests (hex) of staged contents that are objects now; their names are not durable yet. */
  readonly named: readonly string[];
  readonly error: ToldError | undefined;
}

/** Stages what is in batches, and digests the archives that they are of. */
export class BatchStager implements Disposable {
  readonly #stager: Stager;
  #archive: { readonly algorithm: DigestAlgorithm; readonly hash: Hash } | undefined;

  constructor(places: StagerPlaces) {
    this.#stager = new Stager(places);
  }

  /** What is wanted ahead of a batch, for `stage`; it works on one as soon as it is there. */
  lookAhead({ buffer, items, copies }: Batch): AheadDigests {
    const ahead: (string | undefined)[] = [];
    for (const { bytes, flags } of itemsOf(buffer, items, copies)) {
      if ((flags & itemFlag.part) === 0) ahead.push(objectDigest(bytes));
      else if ((flags & itemFlag.last) !== 0) ahead.push(undefined);
    }
    return { ahead };
  }

  stage(batch: Batch, digests?: AheadDigests): BatchResult {
    const { buffer } = batch;
    const contents: StagedContent[] = [];
    try {
      if (batch.forget) this.#stager.forgetFolders();
      const digest = this.#digest(batch);
      this.#stage(batch, contents, digests?.ahead);
      if (batch.after !== undefined) this.#stager.sync();
      const named = batch.after === "commit" ? this.#stager.nameObjects() : [];
      return { buffer, contents, digest, named, error: undefined };
    } catch (error) {
      return { buffer, contents, digest: undefined, named: [], error: tell(error) };
    }
  }

  #digest({ buffer, used, begin, end }: Batch): Digest | undefined {
    if (begin !== undefined) {
      // of an archive that broke off
      this.#stager.abandonParts();
      this.#archive = { algorithm: begin, hash: createHash(begin) };
    }
    this.#archive?.hash.update(new Uint8Array(buffer, 0, used));
    if (!end || this.#archive === undefined) return undefined;
    const { algorithm, hash } = this.#archive;
    this.#archive = undefined;
    return finishDigest(hash, algorithm);
  }

  #stage({ buffer, items, copies }: Batch, contents: StagedContent[], digests: AheadDigests["ahead"] = []): void {
    for (const { bytes, flags } of itemsOf(buffer, items, copies)) {
      const executable = (flags & itemFlag.executable) !== 0;
      if ((flags & itemFlag.part) === 0) contents.push(this.#stager.add(bytes, executable, digests[contents.length]));
      else {
        this.#stager.addPart(bytes, executable);
        if ((flags & itemFlag.last) !== 0) contents.push(this.#stager.finishParts());
      }
    }
  }

  [Symbol.dispose](): void {
    this.#stager[Symbol.dispose]();
  }
}

function* itemsOf(
  buffer: ArrayBuffer,
  items: readonly number[],
  copies: readonly Uint8Array[],
): Generator<{ readonly bytes: Uint8Array; readonly flags: number }, void> {
  let copied = 0;
  for (let at = 0; at < items.length; at += 3) {
    const [offset = 0, length = 0, flags = 0] = [items[at], items[at + 1], items[at + 2]];
    const copy = (flags & itemFlag.copied) === 0 ? undefined : copies[copied++];
    yield { bytes: copy ?? new Uint8Array(buffer, offset, length), flags };
  }
}

function tell(error: unknown): ToldError {
  if (error instanceof DowelError) return { code: error.code, message: error.message, hint: error.hint };
  return { code: undefined, message: error instanceof Error ? error.message : String(error), hint: undefined };
}

/** The error that another thread told of. */
export function errorOf({ code, message, hint }: ToldError): Error {
  if (code === undefined) return new Error(message);
  return new DowelError(code, message, hint === undefined ? {} : { hint });
}
