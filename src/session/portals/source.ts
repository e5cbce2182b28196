// SPDX-License-Identifier: Apache-2.0
import { existsSync, readSync } from "node:fs";
import { dirname } from "node:path";
import type { EventLoop } from "../../loop/loop.ts";
import { pollFor } from "../../sys/epoll.ts";
import { watchFolder } from "../../sys/notices.ts";
import { closeDescriptors } from "../../sys/transfer.ts";

/** Something that tells of changes to whoever listens; it is watched while somebody does. */
export class Source<T = void> {
  readonly #start: (tell: (news: T) => void) => Disposable;
  readonly #listeners = new Set<(news: T) => void>();
  #running: Disposable | undefined;

  constructor(start: (tell: (news: T) => void) => Disposable) {
    this.#start = start;
  }

  listen(handler: (news: T) => void, until: AbortSignal): void {
    if (until.aborted) return;
    this.#listeners.add(handler);
    this.#running ??= this.#start((news) => {
      for (const one of [...this.#listeners]) one(news);
    });
    until.addEventListener("abort", () => {
      this.#listeners.delete(handler);
      if (this.#listeners.size > 0) return;
      this.#running?.[Symbol.dispose]();
      this.#running = undefined;
    });
  }
}

const scratch = Buffer.alloc(64 * 1024);

/** Calls a function whenever a descriptor has something to read, which is thrown away. Owns the descriptor. */
export function onReadable(loop: EventLoop, fd: number, tell: () => void): Disposable {
  const watch = loop.watch(fd, pollFor.input, () => {
    try {
      readSync(fd, scratch);
    } catch {
      // Messages that were lost, or that somebody took back, are changes as well.
    }
    tell();
  });
  return {
    [Symbol.dispose]: () => {
      watch[Symbol.dispose]();
      closeDescriptors([fd]);
    },
  };
}

function nearestFolder(path: string): string {
  const folder = dirname(path);
  return existsSync(folder) ? folder : nearestFolder(folder);
}

/** Calls a function when a file may have changed, or come or gone, also where its folder is not there yet. */
export function onFileChange(loop: EventLoop, path: string, tell: () => void): Disposable {
  let folder = "";
  let current: Disposable | undefined;
  // A folder may come between the look and the watch.
  const follow = (): void => {
    for (let now = nearestFolder(path); now !== folder; now = nearestFolder(path)) {
      current?.[Symbol.dispose]();
      current = undefined;
      folder = now;
      current = onReadable(loop, watchFolder(folder), () => {
        follow();
        tell();
      });
    }
  };
  follow();
  return { [Symbol.dispose]: () => current?.[Symbol.dispose]() };
}

/** Tells when one of some files may have changed. */
export function fileChanges(loop: EventLoop, paths: readonly string[]): Source {
  return new Source((tell) => {
    const watches = new DisposableStack();
    for (const path of paths) watches.use(onFileChange(loop, path, tell));
    return watches;
  });
}
