// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Variant } from "../../formats/dbus/types.ts";
import { tablesFolder } from "../../metadata/documents.ts";
import {
  noData,
  type PermissionTable,
  readTable,
  type TableEntry,
  writeTable,
} from "../../metadata/permissiontable.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { lockFile } from "../../sys/locks.ts";
import { checkTable, noSuchPermission, type Permissions, type StoredPermissions } from "./types.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Names of the tables that are kept on disk. */
export function permissionTables(environment: Environment): readonly string[] {
  const folder = tablesFolder(environment);
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw fileError(error, "read", folder);
  }
}

/** What a table's file holds; undefined where it is too large. An app with the home can put a pipe there, which must not be waited for. */
function bytesOf(path: string): Uint8Array | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw new DowelError("PERMISSION_INVALID", "there must be a file");
    return found.size <= limits.permissionTableBytes ? readFileSync(fd) : undefined;
  } finally {
    closeSync(fd);
  }
}

/** The store's files, where no store runs: one that is started later reads what was written here. */
export class FilePermissions implements Permissions {
  readonly #folder: string;
  readonly #signal: AbortSignal | undefined;

  /** @param folder with a file for each table; made where it is missing */
  constructor(folder: string, signal: AbortSignal | undefined) {
    this.#folder = folder;
    this.#signal = signal;
  }

  #path(table: string): string {
    checkTable(table);
    return `${this.#folder}/${table}`;
  }

  /** A whole table; empty where there is none. Throws `PERMISSION_TABLE_DAMAGED`, `LIMIT_EXCEEDED` or `IO`. */
  read(table: string): PermissionTable {
    const path = this.#path(table);
    try {
      const bytes = bytesOf(path);
      if (bytes !== undefined) return readTable(bytes);
    } catch (cause) {
      if (errnoOf(cause) === "ENOENT") return new Map();
      if (errnoOf(cause) !== undefined) throw fileError(cause, "read", path);
      const message = cause instanceof Error ? cause.message : "";
      throw new DowelError("PERMISSION_TABLE_DAMAGED", `${path}: ${message}`, {
        hint: "Move the file away to begin anew; what it decided is asked again.",
        cause,
      });
    }
    throw new DowelError("LIMIT_EXCEEDED", `${path}: at most ${limits.permissionTableBytes} bytes are allowed`);
  }

  /** Changes one entry under a lock; `change` answers the new one, undefined for none. */
  async #change(
    table: string,
    id: string,
    change: (before: TableEntry | undefined) => TableEntry | undefined,
  ): Promise<void> {
    const path = this.#path(table);
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw fileError(error, "create", this.#folder);
    }
    using _lock = await lockFile(`${this.#folder}/.lock`, { exclusive: true, signal: this.#signal });
    const entries = new Map(this.read(table));
    const after = change(entries.get(id));
    if (after === undefined) entries.delete(id);
    else entries.set(id, after);
    try {
      writeFileDurably(path, writeTable(entries));
    } catch (error) {
      throw fileError(error, "write", path);
    }
  }

  async ids(table: string): Promise<readonly string[]> {
    return [...this.read(table).keys()].sort();
  }

  async lookup(table: string, id: string): Promise<StoredPermissions | undefined> {
    const found = this.read(table).get(id);
    if (found === undefined) return undefined;
    // The store keeps apps without permissions, and does not show them.
    const apps = new Map([...found.apps].filter(([, permissions]) => permissions.length > 0));
    return { table, id, data: found.data, apps };
  }

  async set(table: string, id: string, app: string, permissions: readonly string[]): Promise<void> {
    // As with the store, no permissions at all are the same as no app.
    const own = permissions.length === 0 ? [] : [[app, permissions] as const];
    await this.#change(table, id, ({ data, apps } = { data: noData, apps: new Map() }) => ({
      data,
      apps: new Map([...[...apps].filter(([name]) => name !== app), ...own]),
    }));
  }

  async setData(table: string, id: string, data: Variant): Promise<void> {
    await this.#change(table, id, ({ apps } = { data, apps: new Map() }) => ({ data, apps }));
  }

  async remove(table: string, id: string, app?: string): Promise<void> {
    await this.#change(table, id, (before) => {
      if (before === undefined || (app !== undefined && !before.apps.has(app))) throw noSuchPermission(table, id, app);
      if (app === undefined) return undefined;
      return { data: before.data, apps: new Map([...before.apps].filter(([name]) => name !== app)) };
    });
  }
}
