// SPDX-License-Identifier: Apache-2.0
// Documents: files and folders of the host that apps get one by one, as the table `documents` of the permission store has them.
import { basename } from "node:path";
import { isDowelError } from "../base/errors.ts";
import { type Variant, valueAs, variant } from "../formats/dbus/types.ts";
import { type PermissionTable, readTable } from "./permissiontable.ts";

/** Where sandboxes show documents: `ID/NAME`. */
export const documentShelf = "/run/flatpak/doc";
export const documentsTable = "documents";

/** What an app may be allowed to do with a document. */
export const documentPermissions = ["read", "write", "grant-permissions", "delete"] as const;

/** What a document is of the host. */
export interface DocumentFile {
  /** Absolute, without links. */
  readonly path: string;
  /** Device and inode of the folder it lies in, or of itself where it is a folder. */
  readonly device: bigint;
  readonly inode: bigint;
  readonly isFolder: boolean;
  /** Not the document of others that export the same file. */
  readonly isUnique: boolean;
  /** It ends with the session. */
  readonly isTransient: boolean;
}

export interface StoredDocument extends DocumentFile {
  readonly id: string;
  readonly apps: ReadonlyMap<string, readonly string[]>;
}

/** Flags in the table; the document portal's own. */
const flag = { unique: 1, transient: 2, folder: 4 };

const idPattern = /^[0-9a-f]{1,16}$/;
/** Absolute, and the shortest form of itself. */
const pathPattern = /^(\/(?!\.{1,2}(?:\/|$))[^/\0]+)+$/;

/** A document as the table keeps it: path with a NUL, device, inode, flags. */
export function documentData({ path, device, inode, isFolder, isUnique, isTransient }: DocumentFile): Variant {
  const flags = (isUnique ? flag.unique : 0) | (isTransient ? flag.transient : 0) | (isFolder ? flag.folder : 0);
  return variant("(ayttu)", [Buffer.from(`${path}\0`), device, inode, flags]);
}

/** What of a table's entry is a document; undefined where it is none, or one that no mount could show. Pure. */
function documentOf(
  id: string,
  data: Variant,
  apps: ReadonlyMap<string, readonly string[]>,
): StoredDocument | undefined {
  const [bytes, device, inode, flags] = valueAs("(ayttu)", data) ?? valueAs("(ayttuay)", data) ?? [];
  if (bytes === undefined || device === undefined || inode === undefined || flags === undefined) return undefined;
  const text = Buffer.from(bytes);
  const path = text.toString("utf8").replace(/\0$/, "");
  // A name that is no text of UTF-8 cannot be said to the launcher.
  if (!idPattern.test(id) || !pathPattern.test(path) || Buffer.compare(Buffer.from(`${path}\0`), text) !== 0) {
    return undefined;
  }
  const has = (bit: number): boolean => (flags & bit) !== 0;
  return {
    id,
    path,
    device,
    inode,
    isFolder: has(flag.folder),
    isUnique: has(flag.unique),
    isTransient: has(flag.transient),
    apps: new Map([...apps].filter(([, permissions]) => permissions.length > 0)),
  };
}

/** The documents of a table, by id. Pure. */
export function documentsIn(table: PermissionTable): readonly StoredDocument[] {
  return [...table]
    .map(([id, { data, apps }]) => documentOf(id, data, apps))
    .filter((one) => one !== undefined)
    .sort((left, right) => (left.id < right.id ? -1 : 1));
}

/** The same of a table's bytes; none where it is damaged, so that nothing is shown by it. */
export function documentsOfBytes(bytes: Uint8Array): readonly StoredDocument[] {
  try {
    return documentsIn(readTable(bytes));
  } catch (error) {
    if (isDowelError(error)) return [];
    throw error;
  }
}

/** The name of a document within its folder. */
export function documentName({ path }: DocumentFile): string {
  return basename(path);
}

/** How a sandbox of an app shows a document; undefined where it does not. */
export function accessOf({ apps }: StoredDocument, app: string): "ro" | "rw" | undefined {
  const permissions = apps.get(app) ?? [];
  if (!permissions.includes("read")) return undefined;
  return permissions.includes("write") ? "rw" : "ro";
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the permission store keeps its tables, a file each: `$XDG_DATA_HOME/flatpak/db`. */
export function tablesFolder(environment: Environment): string {
  return `${environment["XDG_DATA_HOME"] || `${environment["HOME"] ?? ""}/.local/share`}/flatpak/db`;
}

/** Where Dowel keeps tables that end with the session. */
export function sessionTablesFolder(runFolder: string): string {
  return `${runFolder}/db`;
}
