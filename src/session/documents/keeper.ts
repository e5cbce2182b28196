// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { lstat, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { DowelError, isDowelError } from "../../base/errors.ts";
import { instanceFolders, isAlive, listInstances } from "../../instances/list.ts";
import type { Instance } from "../../instances/types.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { accessOf, documentName, type StoredDocument } from "../../metadata/documents.ts";
import { watchNames } from "../../sys/notices.ts";
import { onReadable } from "../portals/source.ts";
import { showIn } from "./mounts.ts";
import type { DocumentTables } from "./tables.ts";

/** What is shown of a document: where, and which file of the host it was. */
interface Seen {
  readonly name: string;
  readonly path: string;
  readonly access: "ro" | "rw";
  readonly file: string;
}

type All = Map<string, Seen>;

/** Programs that save a file make several names for it, one right after the other. */
const quietMilliseconds = 10;
/** A start that was planned before a change may be heard of only after it. */
const youngMilliseconds = 60_000;

function isOther(one: Seen | undefined, other: Seen): boolean {
  return one === undefined || one.path !== other.path || one.access !== other.access || one.file !== other.file;
}

function nearestFolder(path: string): string {
  return path === "/" || existsSync(path) ? path : nearestFolder(dirname(path));
}

/**
 * Lets running sandboxes follow the documents that Dowel shows: what is exported and taken back by whatever hand, and files
 * that others put in place of them, as editors do when they save: a mount would go on showing the old one.
 */
export class DocumentKeeper implements Disposable {
  readonly tables: DocumentTables;
  readonly #loop: EventLoop;
  readonly #instances: string;
  readonly #failed: (error: unknown) => void;
  readonly #shown = new Map<string, All>();
  /** When a document was last seen to change. */
  readonly #young = new Map<string, { readonly name: string; readonly at: number }>();
  #work: Promise<readonly string[]> = Promise.resolve([]);
  #watched = "";
  #watch: Disposable | undefined;
  #timer: Disposable | undefined;
  readonly #ended = new AbortController();

  /** @param instances folder of all instances of the user */
  constructor(loop: EventLoop, tables: DocumentTables, instances: string, failed: (error: unknown) => void) {
    this.#loop = loop;
    this.tables = tables;
    this.#instances = instances;
    this.#failed = failed;
  }

  /** A sandbox runs now. */
  joined(): void {
    this.#soon();
  }

  #soon(): void {
    this.#timer ??= this.#loop.after(quietMilliseconds, () => {
      this.#timer = undefined;
      void this.settle();
    });
  }

  /** Lets everything that runs follow; answers which instances do not, and why. */
  async settle(): Promise<readonly string[]> {
    this.#work = this.#work.then(() => this.#pass());
    return await this.#loop.during(this.#work);
  }

  async #pass(): Promise<readonly string[]> {
    const { signal } = this.#ended;
    try {
      return await this.tables.showing(signal, () => this.#followAll());
    } catch (error) {
      if (signal.aborted) return [];
      this.#failed(error);
      return [isDowelError(error) ? error.message : "the documents cannot be read"];
    }
  }

  async #followAll(): Promise<readonly string[]> {
    const running = listInstances(instanceFolders(this.#instances));
    for (const number of this.#shown.keys()) {
      if (!running.some(({ instance }) => instance === number)) this.#shown.delete(number);
    }
    const apps = new Set(running.map(({ application }) => application));
    const documents = this.tables.all().filter((one) => [...one.apps.keys()].some((app) => apps.has(app)));
    this.#watchFolders(running.length === 0 ? [] : documents);
    const failed: string[] = [];
    for (const one of running) failed.push(...(await this.#follow(one, documents)));
    return failed;
  }

  #watchFolders(documents: readonly StoredDocument[]): void {
    const paths = [...documents.map(({ path }) => path), ...this.tables.paths];
    const folders = [...new Set(paths.map((path) => nearestFolder(dirname(path))))].sort();
    const key = folders.join("\0");
    if (key === this.#watched) return;
    this.#watched = key;
    const before = this.#watch;
    this.#watch = onReadable(this.#loop, watchNames(folders), () => this.#soon());
    before?.[Symbol.dispose]();
    // What happened before it was watched is seen by another look.
    this.#soon();
  }

  /** What a sandbox of an app is to show now. */
  async #wanted(app: string, documents: readonly StoredDocument[]): Promise<All> {
    const wanted: All = new Map();
    for (const document of documents) {
      const access = accessOf(document, app);
      const file = access === undefined ? undefined : await fileAt(document);
      if (access === undefined || file === undefined) continue;
      wanted.set(document.id, { name: documentName(document), path: document.path, access, file });
    }
    return wanted;
  }

  async #follow(running: Instance, documents: readonly StoredDocument[]): Promise<readonly string[]> {
    const wanted = await this.#wanted(running.application, documents);
    const known = this.#shown.get(running.instance);
    const shown = known ?? this.#planned(wanted);
    this.#shown.set(running.instance, shown);
    const failed: string[] = [];
    for (const [id, seen] of shown) {
      if (!wanted.has(id)) failed.push(...(await this.#change(running, shown, id, { ...seen, gone: true })));
    }
    for (const [id, seen] of wanted) {
      if (isOther(shown.get(id), seen))
        failed.push(...(await this.#change(running, shown, id, { ...seen, gone: false })));
    }
    return failed;
  }

  /** What a sandbox that has just begun shows by its plan: what is wanted, but for what has changed since it was planned. */
  #planned(wanted: All): All {
    const now = performance.now();
    const shown: All = new Map(wanted);
    for (const [id, { name, at }] of this.#young) {
      if (now - at > youngMilliseconds) this.#young.delete(id);
      else if (wanted.has(id)) shown.delete(id);
      else shown.set(id, { name, path: "", access: "ro", file: "" });
    }
    return shown;
  }

  async #change(
    running: Instance,
    shown: All,
    id: string,
    { gone, ...seen }: Seen & { readonly gone: boolean },
  ): Promise<readonly string[]> {
    const { name, path, access } = seen;
    this.#young.set(id, { name, at: performance.now() });
    const reason = await showIn(running, { id, name, ...(gone ? {} : { source: { path, access } }) });
    if (reason === "" && gone) shown.delete(id);
    else if (reason === "") shown.set(id, seen);
    if (reason === "" || !isAlive(running.folder)) return [];
    const text = `Instance ${running.instance} does not follow: ${reason}`;
    this.#failed(new DowelError("DOCUMENT_NOT_SHOWN", text));
    return [text];
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
    this.#watch?.[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
  }
}

/** Which file is there; undefined where there is none of that kind, or one that a link leads to. */
async function fileAt({ path, isFolder }: StoredDocument): Promise<string | undefined> {
  try {
    const [found, real] = [await lstat(path, { bigint: true }), await realpath(path)];
    const fits = isFolder ? found.isDirectory() : found.isFile();
    return fits && real === path ? `${found.dev}:${found.ino}` : undefined;
  } catch {
    return undefined;
  }
}
