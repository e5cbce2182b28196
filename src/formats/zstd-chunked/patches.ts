// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { type DigestedContent, type FileFrame, openFileFrame, sizeOfContents } from "./file-delta.ts";
import { checkDigest } from "./frame.ts";

/** What a frame counts for at least: the time that it takes, in bytes. */
const leastFrameBytes = 4096;

/** The frames of deltas of files, of one version or of several that follow each other. */
export class Patches {
  readonly #held: (digest: string) => Uint8Array | undefined;
  readonly #versions: number;
  readonly #frames = new Map<string, FileFrame>();
  /** Bytes of all that was made, and of what it was made of: a small delta could make very much work. */
  #made = 0;

  /** `held` gives contents that are here, each of which is used before the next is asked for; a content is made by as many frames as there are versions, at most. */
  constructor(held: (digest: string) => Uint8Array | undefined, versions: number) {
    this.#held = held;
    this.#versions = versions;
  }

  add(frames: readonly FileFrame[]): void {
    for (const frame of frames) for (const { digest } of frame.to) this.#frames.set(digest, frame);
  }

  /**
   * Those of the wanted contents that the frames lead to from what is here, each once, those of one frame after each other.
   * Nothing more is made when that would be more than `limits.patchedLayerBytes` with what it is made of. Throws
   * COMPRESSION_INVALID, DIGEST_MISMATCH, LIMIT_EXCEEDED.
   */
  *make(wanted: Pick<ReadonlyMap<string, unknown>, "keys" | "has">): Generator<DigestedContent, void> {
    const done = new Set<FileFrame>();
    for (const wish of wanted.keys()) {
      const frame = this.#frames.get(wish);
      if (frame === undefined || done.has(frame)) continue;
      done.add(frame);
      const seen = new Set<string>();
      for (const content of this.#open(frame, this.#versions) ?? []) {
        const { digest, bytes } = content;
        if (!wanted.has(digest) || this.#frames.get(digest) !== frame || seen.has(digest)) continue;
        seen.add(digest);
        checkDigest(bytes, digest, "delta of files");
        yield content;
      }
    }
  }

  /** Undefined where the earlier content is not here and cannot be made, or where it is too much. */
  #open(frame: FileFrame, versions: number): readonly DigestedContent[] | undefined {
    if (versions === 0 || !this.#mayMake(Math.max(sizeOfContents(frame), leastFrameBytes))) return undefined;
    if (frame.from === undefined) return openFileFrame(frame, undefined);
    const from = this.#held(frame.from) ?? this.#between(frame.from, versions - 1);
    return from === undefined || !this.#mayMake(from.length) ? undefined : openFileFrame(frame, from);
  }

  /** A content that only a version between had. What is made of it is compared with its digest, so this is not. */
  #between(digest: string, versions: number): Uint8Array | undefined {
    const frame = this.#frames.get(digest);
    const contents = frame && this.#open(frame, versions);
    return contents?.find((content) => content.digest === digest)?.bytes;
  }

  #mayMake(size: number): boolean {
    this.#made += size;
    return this.#made <= limits.patchedLayerBytes;
  }
}
