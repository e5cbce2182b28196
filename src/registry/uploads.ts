// SPDX-License-Identifier: Apache-2.0
import { createHash, type Hash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { limits } from "../base/limits.ts";
import { type Digest, digestAlgorithm, finishDigest } from "../oci/digest.ts";
import { makeFolder, moveDurably, putMark } from "../oci/durable.ts";
import type { ByteStream } from "../oci/verify.ts";
import { Failure } from "./failure.ts";
import { namesIn, type Places, readTextFile, removeFile, sizeOfFile } from "./places.ts";

const abandonedMilliseconds = 24 * 60 * 60 * 1000;

interface Session {
  readonly repository: string;
  size: number;
  /** sha256 of everything so far. */
  readonly hash: Hash;
  /** The requests for this upload, one after the other. */
  turn: Promise<unknown>;
  /** Ends the request that has the turn. */
  stop: AbortController;
}

function newSession(repository: string, size: number, hash: Hash): Session {
  return { repository, size, hash, turn: Promise.resolve(), stop: new AbortController() };
}

/** Blobs on their way in. A session outlives the server: its bytes are on the disk, its hash is made anew. */
export class Uploads {
  readonly #places: Places;
  readonly #sessions = new Map<string, Session>();

  constructor(places: Places) {
    this.#places = places;
  }

  async begin(repository: string): Promise<string> {
    const id = randomUUID();
    await mkdir(this.#folder(id), { recursive: true });
    await writeFile(join(this.#folder(id), "repository"), repository);
    await writeFile(this.#data(id), "");
    this.#sessions.set(id, newSession(repository, 0, createHash("sha256")));
    return id;
  }

  /** Bytes received so far. */
  async position(repository: string, id: string): Promise<number> {
    return (await this.#session(repository, id)).size;
  }

  /**
   * Appends to an upload; with `from` only if it stands there. What came before a connection broke is kept.
   * Resolves to the bytes received so far.
   */
  async append(repository: string, id: string, chunks: ByteStream, from?: number): Promise<number> {
    return this.#exclusively(repository, id, async (session, signal) => {
      if (from !== undefined && from !== session.size) {
        throw new Failure(
          "BLOB_UPLOAD_INVALID",
          `the upload stands at ${session.size}, not at ${from}`,
          { range: rangeOf(session.size) },
          416,
        );
      }
      const file = await open(this.#data(id), "r+");
      try {
        await file.truncate(session.size);
        for await (const chunk of untilStopped(chunks, signal)) {
          if (session.size + chunk.byteLength > limits.layerBytes)
            throw new Failure("SIZE_INVALID", "the blob is too large");
          await writeAt(file, chunk, session.size);
          session.hash.update(chunk);
          session.size += chunk.byteLength;
        }
      } finally {
        await file.close();
      }
      return session.size;
    });
  }

  /** Checks the digest of a finished upload and makes it a blob of the repository; resolves to its size. */
  async finish(repository: string, id: string, digest: Digest): Promise<number> {
    return this.#exclusively(repository, id, async (session) => {
      const found = await this.#digestOf(id, session, digest);
      if (found !== digest) {
        await this.#remove(id);
        throw new Failure("DIGEST_INVALID", `the content has the digest ${found}, not ${digest}`);
      }
      const target = this.#places.blob(digest);
      if ((await sizeOfFile(target)) !== session.size) {
        await syncFile(this.#data(id));
        await makeFolder(dirname(target));
        await moveDurably(this.#data(id), target);
      }
      await putMark(this.#places.blobLink(repository, digest));
      await this.#remove(id);
      return session.size;
    });
  }

  async cancel(repository: string, id: string): Promise<void> {
    await this.#exclusively(repository, id, () => this.#remove(id));
  }

  /** Removes what clients left behind. */
  async removeAbandoned(): Promise<void> {
    for (const id of await namesIn(this.#places.uploads())) {
      const found = await stat(this.#folder(id));
      if (Date.now() - found.mtimeMs > abandonedMilliseconds) await this.#remove(id);
    }
  }

  /** A client that asks again has given up its earlier request, whose bytes may still be on their way. */
  async #exclusively<T>(
    repository: string,
    id: string,
    work: (session: Session, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const session = await this.#session(repository, id);
    session.stop.abort();
    const stop = new AbortController();
    session.stop = stop;
    const turn = session.turn.then(() => {
      if (this.#sessions.get(id) !== session) throw unknownUpload();
      return work(session, stop.signal);
    });
    session.turn = turn.catch(() => undefined);
    return turn;
  }

  async #session(repository: string, id: string): Promise<Session> {
    if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw unknownUpload();
    const session = this.#sessions.get(id) ?? (await this.#revive(id));
    if (session?.repository !== repository) throw unknownUpload();
    return session;
  }

  async #revive(id: string): Promise<Session | undefined> {
    const repository = await readTextFile(join(this.#folder(id), "repository"));
    if (repository === undefined || (await sizeOfFile(this.#data(id))) === undefined) return undefined;
    const hash = createHash("sha256");
    let size = 0;
    for await (const chunk of createReadStream(this.#data(id))) {
      hash.update(chunk);
      size += chunk.byteLength;
    }
    const known = this.#sessions.get(id) ?? newSession(repository, size, hash);
    this.#sessions.set(id, known);
    return known;
  }

  async #digestOf(id: string, session: Session, wanted: Digest): Promise<Digest> {
    const algorithm = digestAlgorithm(wanted);
    if (algorithm === "sha256") return finishDigest(session.hash.copy(), algorithm);
    const hash = createHash(algorithm);
    for await (const chunk of createReadStream(this.#data(id))) hash.update(chunk);
    return finishDigest(hash, algorithm);
  }

  async #remove(id: string): Promise<void> {
    this.#sessions.delete(id);
    await removeFile(this.#data(id));
    await rm(this.#folder(id), { recursive: true, force: true });
  }

  #folder(id: string): string {
    return join(this.#places.uploads(), id);
  }

  #data(id: string): string {
    return join(this.#folder(id), "data");
  }
}

/** The `Range` header that says how far an upload got. */
export function rangeOf(size: number): string {
  return `0-${Math.max(0, size - 1)}`;
}

function unknownUpload(): Failure {
  return new Failure("BLOB_UPLOAD_UNKNOWN", "there is no such upload");
}

/** Passes a body on until another request takes over, even while this one is silent. */
async function* untilStopped(chunks: ByteStream, signal: AbortSignal): ByteStream {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    for (;;) {
      const stop = Promise.withResolvers<never>();
      const abort = (): void => stop.reject(new Failure("BLOB_UPLOAD_INVALID", "another request took over", {}, 409));
      if (signal.aborted) abort();
      signal.addEventListener("abort", abort);
      try {
        const next = await Promise.race([iterator.next(), stop.promise]);
        if (next.done === true) return;
        yield next.value;
      } finally {
        signal.removeEventListener("abort", abort);
      }
    }
  } finally {
    // not waited for: a silent body would never answer
    iterator.return?.()?.catch(() => undefined);
  }
}

type File = Awaited<ReturnType<typeof open>>;

async function writeAt(file: File, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.byteLength; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.byteLength - done, position + done);
    done += bytesWritten;
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
