// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { isValidId } from "../../metadata/ref.ts";

/** A file that apps get one by one. */
export interface ExportedDocument {
  readonly id: string;
  /** Where it is seen: with a document portal outside of sandboxes, too. */
  readonly path: string;
  /** The file itself. */
  readonly origin: string;
  /** What each app may do with it: read, write, delete, grant-permissions. */
  readonly apps: ReadonlyMap<string, readonly string[]>;
}

/** How a file is exported. */
export interface ExportWish {
  /** Absolute. */
  readonly path: string;
  readonly apps: readonly string[];
  readonly allowed: readonly string[];
  readonly forbidden: readonly string[];
  /** A document of its own, also where the file is one already. */
  readonly unique: boolean;
  /** It ends with the session. */
  readonly transient: boolean;
  /** The file need not be there yet. */
  readonly mayBeMissing: boolean;
}

/** Who keeps exported files: the session's document portal, or Dowel itself. */
export interface DocumentStore {
  /** Exports a file and gives and takes permissions. Throws `IO`, `REF_INVALID`, `DOCUMENT_UNSUPPORTED` or an error of the bus. */
  export(wish: ExportWish): Promise<ExportedDocument>;
  /** The id of a file; undefined where it is not exported. @param path absolute */
  idOf(path: string): Promise<string | undefined>;
  info(id: string): Promise<ExportedDocument>;
  /** All documents, or those of one app, sorted by id. */
  list(app?: string): Promise<readonly ExportedDocument[]>;
  /** Takes a file away from all apps; the file itself stays. */
  delete(id: string): Promise<void>;
}

/** Throws `REF_INVALID`. */
export function checkApps(apps: readonly string[]): void {
  const wrong = apps.find((app) => !isValidId(app));
  if (wrong !== undefined) throw new DowelError("REF_INVALID", `${JSON.stringify(wrong)} is not the id of an app`);
}

export function unknownDocument(cause?: unknown): DowelError {
  return new DowelError("DOCUMENT_NOT_FOUND", "No file is exported by this id", {
    hint: "See what is with: dowel documents",
    cause,
  });
}
