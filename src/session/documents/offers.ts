// SPDX-License-Identifier: Apache-2.0
// What apps do with documents, whoever asks: portals check the words, this room the rights.
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { isDowelError } from "../../base/errors.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import type { DocumentFile, StoredDocument } from "../../metadata/documents.ts";
import { portalErrors } from "../portals/errors.ts";
import type { CallerFile } from "./callerfile.ts";
import type { DocumentKeeper } from "./keeper.ts";

/** An app that is not known yet, and is not the caller. */
export const anyOther = "*";

/** How a file becomes a document. */
export interface Offer {
  readonly unique: boolean;
  readonly persistent: boolean;
  /** The app that gets it besides the caller; "" for none. */
  readonly target: string;
  readonly permissions: readonly string[];
}

export function notAllowed(what: string): BusCallError {
  return new BusCallError(portalErrors.notAllowed, what);
}

export function permissionsOf({ apps }: StoredDocument, app: string): readonly string[] {
  return apps.get(app) ?? [];
}

/** Whether an app has all of these. */
function has(document: StoredDocument, app: string, wanted: readonly string[]): boolean {
  const own = permissionsOf(document, app);
  return wanted.every((one) => own.includes(one));
}

/** What an app may be told of; of documents of others it must not even learn that they are there. Throws `NotFound`. */
export function documentFor(keeper: DocumentKeeper, app: string, id: string): StoredDocument {
  const found = keeper.tables.find(id);
  if (found !== undefined && permissionsOf(found, app).length > 0) return found;
  throw new BusCallError(portalErrors.notFound, "The caller has no such document");
}

/** A document of an app's own that it hands on. Throws `NotAllowed`. */
export function checkGrant(document: StoredDocument, app: string, permissions: readonly string[]): void {
  if (has(document, app, ["grant-permissions", ...permissions])) return;
  throw notAllowed("The caller can only give what it has, and only where it has grant-permissions");
}

/** Throws what a portal answers where an offer is not the caller's to make. Nothing has changed by then. */
export function checkOffer(keeper: DocumentKeeper, app: string, file: CallerFile, offer: Offer): void {
  const { target, permissions, unique } = offer;
  if (permissions.includes("write") && !file.writable) throw notAllowed("The caller cannot write to the file itself");
  if (file.document === undefined) return;
  const document = documentFor(keeper, app, file.document.id);
  // A copy with rights of its own would outlast what is taken back of the first.
  if (unique && file.document.isItself) throw notAllowed("A document cannot be made into another one");
  if (!file.document.isItself) checkGrant(document, app, target === "" ? [] : permissions);
  else if (target !== "" && target !== app && permissions.length > 0) checkGrant(document, app, permissions);
}

function documentFile({ path, isFolder, isLent, document }: CallerFile, { unique, persistent }: Offer): DocumentFile {
  const { dev: device, ino: inode } = statSync(isFolder ? path : dirname(path), { bigint: true });
  // What the user can take back as a whole must not stay in parts.
  return {
    path,
    device,
    inode,
    isFolder,
    isUnique: unique,
    isTransient: !persistent || isLent || document !== undefined,
  };
}

async function add(keeper: DocumentKeeper, document: StoredDocument, app: string, more: readonly string[]) {
  const all = [...new Set([...permissionsOf(document, app), ...more])];
  return await keeper.tables.set(document, app, all);
}

/** Makes a document of a file that has been checked, for the caller and the app that it is for; answers it. */
export async function makeOffer(
  keeper: DocumentKeeper,
  app: string,
  file: CallerFile,
  offer: Offer,
): Promise<StoredDocument> {
  const { target, permissions, unique } = offer;
  let document: StoredDocument;
  if (file.document?.isItself === true) document = documentFor(keeper, app, file.document.id);
  else {
    document = await keeper.tables.add(documentFile(file, offer));
    if (app !== target) {
      const own = ["read", ...(file.writable ? ["write"] : []), "grant-permissions", ...(unique ? ["delete"] : [])];
      document = await add(keeper, document, app, own);
    }
  }
  const isNew = file.document?.isItself !== true || target !== app;
  if (target !== "" && isNew && permissions.length > 0) document = await add(keeper, document, target, permissions);
  return document;
}

/** Throws `Failed` where something that runs does not follow. */
export async function settle(keeper: DocumentKeeper): Promise<void> {
  const [first] = await keeper.settle();
  if (first !== undefined) throw new BusCallError(portalErrors.failed, first);
}

/** What goes wrong below, as portals say it. */
export async function answering<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof BusCallError || !isDowelError(error)) throw error;
    const name = error.code === "LIMIT_EXCEEDED" ? busErrors.limitsExceeded : portalErrors.failed;
    throw new BusCallError(name, error.message, { cause: error });
  }
}
