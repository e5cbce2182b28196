// SPDX-License-Identifier: Apache-2.0
import { createHash, type Hash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { limits } from "../base/limits.ts";
import { type Digest, digestAlgorithm, finishDigest } from "../oci/digest.ts";
import { moveDurably } from "../oci/durable.ts";
import type { ByteStream } from "../oci/verify.ts";
import { Failure } from "./failure.ts";
import { namesIn, type Places, putMark, readTextFile, removeFile, sizeOfFile } from "./places.ts";

const abandonedMilliseconds = 24 * 60 * 60 * 1000;

interface Session {
  readonly repository: string;
  size: number;
  /** sha256 of everything so far. */
  readonly hash: Hash;
  busy: boolean;
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
    this.#sessions.set(id, { repository, size: 0, hash: createHash("sha256"), busy: false });
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
    return this.#exclusively(repository, id, async (session) => {
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
        for await (const chunk of chunks) {
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
        await mkdir(dirname(target), { recursive: true });
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

  async #exclusively<T>(repository: string, id: string, work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#session(repository, id);
    if (session.busy) throw new Failure("BLOB_UPLOAD_INVALID", "another request is writing to this upload", {}, 409);
    session.busy = true;
    try {
      return await work(session);
    } finally {
      session.busy = false;
    }
  }

  async #session(repository: string, id: string): Promise<Session> {
    const unknown = new Failure("BLOB_UPLOAD_UNKNOWN", "there is no such upload");
    if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw unknown;
    const session = this.#sessions.get(id) ?? (await this.#revive(id));
    if (session?.repository !== repository) throw unknown;
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
    const known = this.#sessions.get(id) ?? { repository, size, hash, busy: false };
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
