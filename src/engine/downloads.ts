// SPDX-License-Identifier: Apache-2.0
import type { StoredImage } from "../store/image/stored.ts";
import type { FetchOperation } from "./fetch.ts";

/** Images on their way or waiting to be deployed at the same time, and how many of them may be large. */
const most = 4;
const mostLarge = 2;
const largeBytes = 64 * 1024 * 1024;

interface Download {
  readonly operation: FetchOperation;
  readonly layers: readonly string[];
  state: "waiting" | "running" | "ready" | "taken";
  readonly result: PromiseWithResolvers<StoredImage>;
}

/**
 * Fetches the images of a transaction ahead of their deployment, a few at a time, so that memory stays bounded. Images that
 * have a layer in common are fetched one after the other: the second then has the layer already.
 */
export class Downloads implements AsyncDisposable {
  readonly #downloads: readonly Download[];
  readonly #start: (operation: FetchOperation) => Promise<StoredImage>;
  #stopped = false;

  /** `layersOf`: digests of the layers of an operation's image, as far as they are known. */
  constructor(
    operations: readonly FetchOperation[],
    start: (operation: FetchOperation) => Promise<StoredImage>,
    layersOf: (operation: FetchOperation) => readonly string[],
  ) {
    this.#start = start;
    this.#downloads = operations.map((operation) => {
      const result = Promise.withResolvers<StoredImage>();
      // A failure is told to whoever takes the image; that nobody has taken it yet is no mistake.
      result.promise.catch(() => undefined);
      return { operation, layers: layersOf(operation), state: "waiting", result };
    });
    this.#fill();
  }

  /** The image of an operation, when it is there. To be called once for each, in their order. */
  async take(operation: FetchOperation): Promise<StoredImage> {
    const download = this.#find(operation);
    try {
      return await download.result.promise;
    } finally {
      this.#free(download);
    }
  }

  /** The image of an operation is not wanted any more. */
  drop(operation: FetchOperation): void {
    const download = this.#find(operation);
    if (download.state === "waiting") download.state = "taken";
    else void download.result.promise.catch(() => undefined).finally(() => this.#free(download));
  }

  /** Starts no further one and waits until those that run have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    const running = this.#downloads.filter(({ state }) => state === "running");
    await Promise.allSettled(running.map(({ result }) => result.promise));
  }

  #find(operation: FetchOperation): Download {
    const download = this.#downloads.find((candidate) => candidate.operation === operation);
    if (download === undefined) throw new Error("not an operation of these downloads");
    return download;
  }

  #free(download: Download): void {
    download.state = "taken";
    this.#fill();
  }

  /** Starts what may start now. The first that waits always may when nothing is held, so the order of taking cannot lock up. */
  #fill(): void {
    if (this.#stopped) return;
    for (const download of this.#downloads) {
      if (download.state === "waiting" && this.#mayStart(download)) this.#run(download);
    }
  }

  #mayStart({ operation, layers }: Download): boolean {
    const held = this.#downloads.filter(({ state }) => state === "running" || state === "ready");
    const running = held.filter(({ state }) => state === "running");
    const isLarge = (one: FetchOperation): boolean => one.image.downloadSize > largeBytes;
    if (held.length >= most) return false;
    if (isLarge(operation) && running.filter((other) => isLarge(other.operation)).length >= mostLarge) return false;
    return !running.some((other) => other.layers.some((layer) => layers.includes(layer)));
  }

  #run(download: Download): void {
    download.state = "running";
    void this.#start(download.operation).then(
      (image) => {
        download.state = "ready";
        download.result.resolve(image);
        this.#fill();
      },
      (error: unknown) => {
        download.state = "ready";
        download.result.reject(error);
        this.#fill();
      },
    );
  }
}
