// SPDX-License-Identifier: Apache-2.0

import { limits } from "../../base/limits.ts";
import {
  accessOf,
  documentName,
  documentShelf,
  documentsOfBytes,
  documentsTable,
  type StoredDocument,
  sessionTablesFolder,
  tablesFolder,
} from "../../metadata/documents.ts";
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import { resolveHostPath } from "./resolve.ts";
import type { SpecificationInput } from "./types.ts";

/** Those of the permission store, then those of this session. */
function storedDocuments(host: Host, runFolder: string): readonly StoredDocument[] {
  const environment = Object.fromEntries(["HOME", "XDG_DATA_HOME"].map((name) => [name, host.variable(name)]));
  return [tablesFolder(environment), sessionTablesFolder(runFolder)].flatMap((folder) => {
    const bytes = host.readBytes(`${folder}/${documentsTable}`);
    return bytes === undefined ? [] : documentsOfBytes(bytes);
  });
}

/** Shows one file or folder, unless something else lies there by now, or a link leads to it. */
function addDocument(root: RootBuilder, host: Host, document: StoredDocument, access: "ro" | "rw"): void {
  const found = resolveHostPath(host, document.path);
  const type = document.isFolder ? "directory" : "file";
  if (found?.path !== document.path || found.type !== type) return;
  const folder = `${documentShelf}/${document.id}`;
  // A mount of its own, that gives the app no right to write rather than being read-only: `launcher/document.c` says why.
  root.tmpfs(folder, 0o500);
  root.bind(document.path, `${folder}/${documentName(document)}`, { access, type, optional: true, distrusted: true });
}

/**
 * The files that were exported to the app. Where the session has a document portal it is the portal's own folder; else
 * Dowel's, with a mount for each document, and place for those that come while the app runs.
 */
export function addDocuments(root: RootBuilder, host: Host, input: SpecificationInput): void {
  const { app, options, session, runFolder } = input;
  if (app === undefined || options.sandboxed || !options.documents) return;
  const { id } = app.ref;
  root.symlink(`/run/user/${host.identity.uid}/doc`, "../../flatpak/doc");
  const portal = session === undefined ? undefined : `${session}/doc/by-app/${id}`;
  if (portal !== undefined && host.lookAt(portal)?.type === "directory") {
    root.bind(portal, documentShelf, { access: "rw", optional: true });
    return;
  }
  root.tmpfs(documentShelf, 0o500);
  let room = limits.documentsPerApp;
  for (const document of storedDocuments(host, runFolder)) {
    const access = accessOf(document, id);
    if (access === undefined || room-- <= 0) continue;
    addDocument(root, host, document, access);
  }
  // Nobody inside makes names where others are to appear.
  root.seal(documentShelf);
}
