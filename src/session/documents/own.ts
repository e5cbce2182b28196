// SPDX-License-Identifier: Apache-2.0
import { lstatSync, realpathSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { isAlive } from "../../instances/list.ts";
import { type DocumentFile, documentName, type StoredDocument } from "../../metadata/documents.ts";
import { follow } from "./mounts.ts";
import type { DocumentTables } from "./tables.ts";
import { checkApps, type DocumentStore, type ExportedDocument, type ExportWish, unknownDocument } from "./types.ts";

/** Where sandboxes have the documents besides `/run/flatpak/doc`, as with a document portal. */
export function documentMount(): string {
  return `/run/user/${process.getuid?.() ?? 0}/doc`;
}

function unsupported(message: string, hint: string): DowelError {
  return new DowelError("DOCUMENT_UNSUPPORTED", message, { hint });
}

/** Throws `DOCUMENT_UNSUPPORTED` where only the file is missing, else `IO`. */
function missing(path: string, mayBeMissing: boolean, error: unknown): unknown {
  if (errnoOf(error) !== "ENOENT" || !mayBeMissing) return fileError(error, "open", path);
  try {
    if (statSync(dirname(path)).isDirectory()) {
      return unsupported(
        `${path} is not there yet, and without a document portal only what is there can be exported`,
        "Make the file first, export its folder, or install xdg-desktop-portal.",
      );
    }
  } catch (inner) {
    return fileError(inner, "open", dirname(path));
  }
  return fileError(error, "open", path);
}

/** What a document of a file or folder of the host is. Throws `IO` or `DOCUMENT_UNSUPPORTED`. */
function documentFile(path: string, wish: Pick<ExportWish, "unique" | "transient" | "mayBeMissing">): DocumentFile {
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    throw missing(path, wish.mayBeMissing, error);
  }
  const found = lstatSync(real, { bigint: true });
  const wanted = statSync(path, { bigint: true });
  // Of a file that was passed on open, the path is where it lay a moment ago.
  if (found.dev !== wanted.dev || found.ino !== wanted.ino) {
    throw unsupported(`${path} was moved or replaced meanwhile`, "Try again.");
  }
  const isFolder = found.isDirectory();
  if (!isFolder && !found.isFile()) throw unsupported(`${path} is neither a file nor a folder`, "Export one of these.");
  const { dev: device, ino: inode } = isFolder ? found : statSync(dirname(real), { bigint: true });
  return { path: real, device, inode, isFolder, isUnique: wish.unique, isTransient: wish.transient };
}

/** The documents that Dowel keeps itself, where the session has no document portal. */
export class OwnDocuments implements DocumentStore {
  readonly #tables: DocumentTables;
  readonly #instances: string;
  readonly #signal: AbortSignal | undefined;

  /** @param instances folder of all instances of the user */
  constructor(tables: DocumentTables, instances: string, signal: AbortSignal | undefined) {
    this.#tables = tables;
    this.#instances = instances;
    this.#signal = signal;
  }

  async export(wish: ExportWish): Promise<ExportedDocument> {
    checkApps(wish.apps);
    return await this.#tables.showing(this.#signal, () => this.#export(wish));
  }

  async #export(wish: ExportWish): Promise<ExportedDocument> {
    const before = await this.#tables.add(documentFile(wish.path, wish), this.#signal);
    let after = before;
    for (const app of wish.apps) {
      const all = new Set([...(after.apps.get(app) ?? []), ...wish.allowed]);
      for (const permission of wish.forbidden) all.delete(permission);
      after = await this.#tables.set(after, app, [...all], this.#signal);
    }
    await this.#follow(before, after);
    return this.#show(after);
  }

  async #follow(before: StoredDocument, after: StoredDocument | undefined): Promise<void> {
    const failed = await follow(this.#instances, before, after);
    const [first] = failed.filter(({ instance }) => isAlive(`${this.#instances}/${instance}`));
    if (first === undefined) return;
    throw new DowelError("DOCUMENT_NOT_SHOWN", `Instance ${first.instance} does not follow: ${first.reason}`, {
      hint: "It does at its next start; end it with: dowel kill",
    });
  }

  #show(document: StoredDocument): ExportedDocument {
    const { id, path: origin, apps } = document;
    return { id, path: `${documentMount()}/${id}/${documentName(document)}`, origin, apps };
  }

  async idOf(path: string): Promise<string | undefined> {
    let real = path;
    try {
      real = `${realpathSync(dirname(path))}/${basename(path)}`;
    } catch {
      // What is not there can be a document still.
    }
    const wanted = this.#tables.all().filter((one) => one.path === real || one.path === path);
    const [first] = [...wanted.filter(({ isUnique }) => !isUnique), ...wanted];
    return first?.id;
  }

  #find(id: string): StoredDocument {
    const found = this.#tables.find(id);
    if (found === undefined) throw unknownDocument();
    return found;
  }

  async info(id: string): Promise<ExportedDocument> {
    return this.#show(this.#find(id));
  }

  async list(app = ""): Promise<readonly ExportedDocument[]> {
    const all = this.#tables.all().filter(({ apps }) => app === "" || apps.has(app));
    return all.map((one) => this.#show(one));
  }

  async delete(id: string): Promise<void> {
    await this.#tables.showing(this.#signal, async () => {
      const document = this.#find(id);
      await this.#tables.delete(document, this.#signal);
      await this.#follow(document, undefined);
    });
  }
}
