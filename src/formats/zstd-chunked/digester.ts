// SPDX-License-Identifier: Apache-2.0
import { createHash, type Hash, hash } from "node:crypto";
import { FsVerityHasher, fsVerityDigest } from "../fsverity/digest.ts";
import { type Batch, type BodyFacts, type Digested, pieceFlag, zerosOf } from "./batch.ts";
import { Crc64 } from "./crc64.ts";

const wholeBody = pieceFlag.body | pieceFlag.frameEnd | pieceFlag.bodyEnd;

/** Works out all digests of an archive: its own, and those of the bodies and chunks in it. Takes its batches in order. */
export class Digester {
  readonly #archive = createHash("sha256");
  readonly #withVerity: boolean;
  #body: OpenBody | undefined;

  /** `withVerity`: whether the fs-verity digests of bodies are wanted. */
  constructor(withVerity: boolean) {
    this.#withVerity = withVerity;
  }

  run({ buffer, pieces, end }: Batch): Digested {
    const chunks: string[] = [];
    const bodies: BodyFacts[] = [];
    let at = 0;
    let seen = 0;
    for (let piece = 0; piece < pieces.length; piece += 2) {
      const length = pieces[piece] ?? 0;
      const flags = pieces[piece + 1] ?? 0;
      const inBuffer = (flags & pieceFlag.zeros) === 0;
      const parts = inBuffer ? [new Uint8Array(buffer, at, length)] : zerosOf(length);
      if (!inBuffer) {
        this.#archive.update(new Uint8Array(buffer, seen, at - seen));
        seen = at;
        for (const part of zerosOf(length)) this.#archive.update(part);
      }
      if ((flags & pieceFlag.body) !== 0) this.#digestBody(parts, flags, chunks, bodies);
      if (inBuffer) at += length;
    }
    this.#archive.update(new Uint8Array(buffer, seen, at - seen));
    return { buffer, chunks, bodies, archive: end ? this.#archive.digest("hex") : undefined };
  }

  #digestBody(parts: Iterable<Uint8Array>, flags: number, chunks: string[], bodies: BodyFacts[]): void {
    if (this.#body === undefined && flags === wholeBody) {
      const [bytes = new Uint8Array(0)] = parts;
      const facts = this.#factsOf(bytes);
      chunks.push(facts.sha256);
      bodies.push(facts);
      return;
    }
    this.#body ??= new OpenBody(this.#withVerity);
    for (const part of parts) this.#body.update(part);
    if ((flags & pieceFlag.frameEnd) !== 0) chunks.push(this.#body.endChunk());
    if ((flags & pieceFlag.bodyEnd) === 0) return;
    bodies.push(this.#body.finish());
    this.#body = undefined;
  }

  /** Of a body that is there as a whole, which costs less than one in parts. */
  #factsOf(bytes: Uint8Array): BodyFacts {
    return {
      sha256: hash("sha256", bytes, "hex"),
      crc: new Crc64().update(bytes).digest(),
      verity: this.#withVerity ? hexOf(fsVerityDigest(bytes)) : undefined,
    };
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

class OpenBody {
  readonly #hash = createHash("sha256");
  readonly #crc = new Crc64();
  readonly #verity: FsVerityHasher | undefined;
  /** Of a chunk that is not the first: what it has so far. */
  #chunk: Hash | undefined;
  #isFirst = true;

  constructor(withVerity: boolean) {
    this.#verity = withVerity ? new FsVerityHasher() : undefined;
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#crc.update(bytes);
    this.#verity?.update(bytes);
    if (this.#isFirst) return;
    this.#chunk ??= createHash("sha256");
    this.#chunk.update(bytes);
  }

  endChunk(): string {
    // up to its end the first chunk is all that there is of the body
    const digest = this.#isFirst ? this.#hash.copy().digest("hex") : this.#chunk?.digest("hex");
    this.#isFirst = false;
    this.#chunk = undefined;
    return digest ?? hash("sha256", "", "hex");
  }

  finish(): BodyFacts {
    const verity = this.#verity === undefined ? undefined : hexOf(this.#verity.digest());
    return { sha256: this.#hash.digest("hex"), crc: this.#crc.digest(), verity };
  }
}
