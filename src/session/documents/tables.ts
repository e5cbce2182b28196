// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { DowelError, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { randomBytes } from "../../base/random.ts";
import type { EventLoop } from "../../loop/loop.ts";
import {
  accessOf,
  type DocumentFile,
  documentData,
  documentsIn,
  documentsTable,
  type StoredDocument,
  sessionTablesFolder,
  tablesFolder,
} from "../../metadata/documents.ts";
import { lockFile } from "../../sys/locks.ts";
import { FilePermissions } from "../permissions/files.ts";
import { usePermissions } from "../permissions/store.ts";
import type { Permissions } from "../permissions/types.ts";

export interface TablesOptions {
  readonly loop: EventLoop;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For what ends with the session. */
  readonly runFolder: string;
  /** Whether an app has a sandbox that could show its documents now. */
  readonly isRunning: (app: string) => boolean;
}

/**
 * The documents that Dowel shows where the session has no document portal. What lasts is in the table `documents` of the
 * permission store, where a portal finds it; what ends with the session is in a table of the same form in the run folder.
 */
export class DocumentTables {
  readonly #options: TablesOptions;
  readonly #session: string;

  constructor(options: TablesOptions) {
    this.#options = options;
    this.#session = sessionTablesFolder(options.runFolder);
  }

  /** The files that the tables are in. */
  get paths(): readonly string[] {
    return [tablesFolder(this.#options.environment), this.#session].map((folder) => `${folder}/${documentsTable}`);
  }

  /** All documents, sorted by id. A store writes its files before it answers, so they are what there is. Throws `PERMISSION_TABLE_DAMAGED`. */
  all(): readonly StoredDocument[] {
    const folders = [tablesFolder(this.#options.environment), this.#session];
    const found = folders.flatMap((folder) => documentsIn(new FilePermissions(folder, undefined).read(documentsTable)));
    return found.sort((left, right) => (left.id < right.id ? -1 : 1));
  }

  find(id: string): StoredDocument | undefined {
    return this.all().find((one) => one.id === id);
  }

  /** That of a file which others may use, too, and which lasts as long. */
  findFile(file: Pick<DocumentFile, "path" | "isTransient">): StoredDocument | undefined {
    const isSame = (one: StoredDocument): boolean => one.path === file.path && one.isTransient === file.isTransient;
    return this.all().find((one) => !one.isUnique && isSame(one));
  }

  #makeSession(): void {
    try {
      mkdirSync(this.#session, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw fileError(error, "create", this.#session);
    }
  }

  /**
   * Works while nobody else lets sandboxes follow: the service and each command do it, and none may act on what it read
   * before another's change. What the work itself reads counts.
   */
  async showing<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    this.#makeSession();
    using _lock = await lockFile(`${this.#session}/.shown`, { exclusive: true, signal });
    return await work();
  }

  async #use<T>(
    isTransient: boolean,
    signal: AbortSignal | undefined,
    use: (store: Permissions) => Promise<T>,
  ): Promise<T> {
    const { loop, environment } = this.#options;
    if (!isTransient) return await loop.during(usePermissions(loop, environment, signal, use));
    this.#makeSession();
    return await loop.during(use(new FilePermissions(this.#session, signal)));
  }

  /** The document of a file: a new one, or that which is there. */
  async add(file: DocumentFile, signal?: AbortSignal): Promise<StoredDocument> {
    const known = file.isUnique ? undefined : this.findFile(file);
    if (known !== undefined) return known;
    const taken = new Set(this.all().map(({ id }) => id));
    let id: string;
    do id = randomBytes(4).toString("hex");
    while (taken.has(id));
    await this.#use(file.isTransient, signal, (store) => store.setData(documentsTable, id, documentData(file)));
    return { ...file, id, apps: new Map() };
  }

  /** Lets an app do these things with a document, and nothing else. Throws `LIMIT_EXCEEDED`. */
  async set(
    document: StoredDocument,
    app: string,
    permissions: readonly string[],
    signal?: AbortSignal,
  ): Promise<StoredDocument> {
    const before = document.apps.get(app) ?? [];
    const same = before.length === permissions.length && before.every((one) => permissions.includes(one));
    if (same) return document;
    const after = { ...document, apps: new Map([...document.apps, [app, permissions]]) };
    if (before.length === 0 && permissions.length > 0) await this.#makeRoom(app, signal);
    await this.#use(document.isTransient, signal, (store) => store.set(documentsTable, document.id, app, permissions));
    return after;
  }

  /**
   * Sees to it that an app has fewer documents than it may. What it got for this session and no instance shows any more is
   * forgotten first.
   */
  async #makeRoom(app: string, signal: AbortSignal | undefined): Promise<void> {
    const own = this.all().filter((one) => accessOf(one, app) !== undefined);
    if (own.length < limits.documentsPerApp) return;
    const left = this.#options.isRunning(app) ? [] : own.filter(({ isTransient }) => isTransient);
    for (const one of left) {
      if (one.apps.size === 1) await this.delete(one, signal);
      else await this.set(one, app, [], signal);
    }
    if (left.length > 0) return;
    throw new DowelError("LIMIT_EXCEEDED", `${app} has ${own.length} files already, which is the most for one app`, {
      hint: "Take some away again: dowel document-unexport FILE",
    });
  }

  async delete({ id, isTransient }: StoredDocument, signal?: AbortSignal): Promise<void> {
    await this.#use(isTransient, signal, (store) => store.remove(documentsTable, id));
  }
}
