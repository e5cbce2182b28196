// SPDX-License-Identifier: Apache-2.0
import { basename } from "node:path";
import { isDowelError } from "../../base/errors.ts";
import { documentShelf } from "../../metadata/documents.ts";
import { isForReading } from "./callerfile.ts";
import { withDocuments } from "./reach.ts";
import type { DocumentStore } from "./types.ts";

/** Everything that the caller may do with a file itself; what was passed on open for reading is only to be read. */
function permissionsFor(path: string): readonly string[] {
  const fd = /^\/proc\/self\/fd\/(\d+)$/.exec(path)?.[1];
  const isRead = fd !== undefined && isForReading(Number(fd));
  return isRead ? ["read", "grant-permissions"] : ["read", "write", "grant-permissions"];
}

async function share(documents: DocumentStore, id: string, path: string): Promise<string | undefined> {
  try {
    const allowed = permissionsFor(path);
    const wish = { path, apps: [id], allowed, forbidden: [], unique: false, transient: true };
    const document = await documents.export({ ...wish, mayBeMissing: false });
    return `${documentShelf}/${document.id}/${basename(document.path)}`;
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    return undefined;
  }
}

/**
 * Hands files over to an app for this session: answers where its sandbox sees each. Files that are not there, or that
 * cannot be exported, are left out.
 */
export async function shareFiles(
  id: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const shared = new Map<string, string>();
  if (paths.length === 0) return shared;
  await withDocuments(signal, async (documents) => {
    for (const path of paths) {
      const seen = await share(documents, id, path);
      if (seen !== undefined) shared.set(path, seen);
    }
  });
  return shared;
}
