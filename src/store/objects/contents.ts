// SPDX-License-Identifier: Apache-2.0
import { lstatSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { FileContent } from "../image/tree.ts";
import type { Installation } from "../installation.ts";

/** Part of an object. What it holds is to be checked before use. */
export interface ObjectPart {
  /** Names the object. */
  readonly object: string;
  readonly offset: number;
  readonly size: number;
}

/** Digests lie everywhere in a table, so that a few new rows would change all of it: they wait in a small one. */
const schema = ["", "recent_"]
  .map(
    (age) => `
  CREATE TABLE IF NOT EXISTS ${age}contents (sha256 BLOB PRIMARY KEY, object BLOB NOT NULL, size INTEGER NOT NULL, inline BLOB) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS ${age}chunks (sha256 BLOB PRIMARY KEY, object BLOB NOT NULL, start INTEGER NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
`,
  )
  .join("");

type Table = "contents" | "chunks";

/** So many rows wait in memory. */
const mostRows = 8192;
/** So many rows wait in a small table. */
const mostRecent = 4096;

/** What both tables say of a digest, the newer first. */
function lookup(columns: string, table: Table): string {
  const from = (name: string): string => `SELECT ${columns} FROM ${name} WHERE sha256 = ?1`;
  return `${from(`recent_${table}`)} UNION ALL ${from(table)} LIMIT 1`;
}

interface Rows {
  readonly contents: (readonly [sha256: string, content: FileContent])[];
  readonly chunks: (readonly [sha256: string, part: ObjectPart])[];
}

/**
 * `index.sqlite`: which object holds the content with a sha256 digest, by which registries name it, and where the
 * chunks of large files are. Only a cache: what it says may be outdated, so ask whether the object is there; without it
 * more is fetched. A database, because a lookup must cost the same however many objects there are.
 */
export class ContentIndex implements Disposable {
  readonly #database: DatabaseSync;
  readonly #content: StatementSync;
  readonly #chunk: StatementSync;
  #rows: Rows = { contents: [], chunks: [] };
  readonly #installation: Pick<Installation, "path">;
  #isReading = false;
  #isDamaged = false;

  private constructor(installation: Pick<Installation, "path">) {
    this.#installation = installation;
    this.#database = new DatabaseSync(pathOf(installation));
    try {
      // Nothing is waited for to be durable. A process that dies leaves the database whole in this mode; a power cut may
      // damage it: where that is found it is made anew, and rows that are wrong by it count as those that are outdated.
      this.#database.exec("PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;");
      this.#database.exec(schema);
      this.#content = this.#database.prepare(lookup("object, size, inline", "contents"));
      this.#chunk = this.#database.prepare(lookup("object, start, size", "chunks"));
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** One that is damaged is made anew; undefined where there can be none. */
  static open(installation: Pick<Installation, "path">): ContentIndex | undefined {
    const path = pathOf(installation);
    // A link would be followed, and a file made where it leads; a repair takes away what is no file.
    if (attempt(() => lstatSync(path))?.isFile() === false) return undefined;
    try {
      return new ContentIndex(installation);
    } catch (error) {
      if (!isDamage(error) && !/no such column/i.test(String(error))) return undefined;
    }
    try {
      ContentIndex.remove(installation);
      return new ContentIndex(installation);
    } catch {
      return undefined;
    }
  }

  /** Whether the database is one, and whole. */
  static isSound(installation: Pick<Installation, "path">): boolean {
    return (
      attempt(() => {
        const database = new DatabaseSync(pathOf(installation), { readOnly: true });
        try {
          database.prepare("SELECT (SELECT count(*) FROM contents), (SELECT count(*) FROM chunks)").get();
          return database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"] === "ok";
        } finally {
          database.close();
        }
      }) === true
    );
  }

  /** Deletes the database, which must not be in use. */
  static remove(installation: Pick<Installation, "path">): void {
    for (const suffix of ["", "-wal", "-shm"]) {
      rmSync(join(installation.path, `index.sqlite${suffix}`), { recursive: true, force: true });
    }
  }

  /** Whether nothing is in it. */
  get isEmpty(): boolean {
    const any = "SELECT 1 FROM contents UNION ALL SELECT 1 FROM recent_contents LIMIT 1";
    return this.#attempt(() => this.#database.prepare(any).get()) === undefined;
  }

  /** The content with a digest (hex). */
  find(sha256: string): FileContent | undefined {
    const row = this.#read(this.#content, sha256);
    const [object, inline] = [row?.["object"], row?.["inline"]];
    if (!(object instanceof Uint8Array)) return undefined;
    const digest = hexOf(object);
    return { size: Number(row?.["size"]), digest, inline: inline instanceof Uint8Array ? inline : undefined };
  }

  /** A place where the chunk with a digest (hex) was. */
  findChunk(sha256: string): ObjectPart | undefined {
    const row = this.#read(this.#chunk, sha256);
    const object = row?.["object"];
    if (!(object instanceof Uint8Array)) return undefined;
    return { object: hexOf(object), offset: Number(row?.["start"]), size: Number(row?.["size"]) };
  }

  /** Many lookups are one transaction, which locks the file once and not for each. It hinders nobody who writes. */
  #read(statement: StatementSync, sha256: string): ReturnType<StatementSync["get"]> {
    return this.#attempt(() => {
      if (!this.#isReading) this.#database.exec("BEGIN");
      this.#isReading = true;
      return statement.get(Buffer.from(sha256, "hex"));
    });
  }

  #endReading(): void {
    if (this.#isReading) this.#attempt(() => this.#database.exec("COMMIT"));
    this.#isReading = false;
  }

  addContent(sha256: string, content: FileContent): void {
    this.#rows.contents.push([sha256, content]);
    this.#saveMany();
  }

  addChunk(sha256: string, part: ObjectPart): void {
    this.#rows.chunks.push([sha256, part]);
    this.#saveMany();
  }

  #saveMany(): void {
    if (this.#rows.contents.length + this.#rows.chunks.length >= mostRows) this.save();
  }

  forget(sha256: string): void {
    this.#endReading();
    for (const table of ["contents", "recent_contents"]) {
      const statement = `DELETE FROM ${table} WHERE sha256 = ?`;
      this.#attempt(() => this.#database.prepare(statement).run(Buffer.from(sha256, "hex")));
    }
  }

  /** Writes what was added. Where that fails nothing is known of it, which does no harm. */
  save(): void {
    const { contents, chunks } = this.#rows;
    this.#rows = { contents: [], chunks: [] };
    // in the order of the database each of its pages is written once
    for (const rows of [contents, chunks]) rows.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
    this.#endReading();
    if (contents.length + chunks.length === 0) return;
    const saved = this.#attempt(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      const addContent = this.#insertion("contents", contents.length);
      const addChunk = this.#insertion("chunks", chunks.length);
      const hex = (text: string) => Buffer.from(text, "hex");
      for (const [sha256, { digest, size, inline }] of contents) {
        addContent.run(hex(sha256), hex(digest), size, inline ?? null);
      }
      for (const [sha256, { object, offset, size }] of chunks) addChunk.run(hex(sha256), hex(object), offset, size);
      this.#database.exec("COMMIT");
      return true;
    });
    if (saved === undefined) attempt(() => this.#database.exec("ROLLBACK"));
  }

  /** Into the small table, or where that has no room for so many rows into the large one, with all that waits. */
  #insertion(table: Table, rows: number): StatementSync {
    const waiting = this.#database.prepare(`SELECT count(*) AS rows FROM recent_${table}`).get()?.["rows"];
    const isRoom = Number(waiting) + rows <= mostRecent;
    if (!isRoom) {
      this.#database.exec(
        `INSERT OR REPLACE INTO ${table} SELECT * FROM recent_${table}; DELETE FROM recent_${table};`,
      );
    }
    return this.#database.prepare(`INSERT OR REPLACE INTO ${isRoom ? "recent_" : ""}${table} VALUES (?, ?, ?, ?)`);
  }

  /** As `attempt`; notes where the database turns out to be damaged. */
  #attempt<T>(action: () => T): T | undefined {
    return attempt(action, (error) => {
      this.#isDamaged ||= isDamage(error);
    });
  }

  [Symbol.dispose](): void {
    this.#attempt(() => this.#database.close());
    if (this.#isDamaged) attempt(() => ContentIndex.remove(this.#installation));
  }
}

function pathOf(installation: Pick<Installation, "path">): string {
  return join(installation.path, "index.sqlite");
}

function isDamage(error: unknown): boolean {
  return /malformed|not a database|corrupt/i.test(String(error));
}

function hexOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("hex");
}

/** A database that fails knows nothing. */
function attempt<T>(action: () => T, see?: (error: unknown) => void): T | undefined {
  try {
    return action();
  } catch (error) {
    see?.(error);
    return undefined;
  }
}
