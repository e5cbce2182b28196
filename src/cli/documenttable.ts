// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import type { Result } from "../render/result.ts";
import type { DocumentStore, ExportedDocument } from "../session/documents/types.ts";
import { jsonFlag, switchFlag } from "./flags.ts";
import { textLines } from "./lines.ts";

export interface DocumentFlags {
  readonly json?: boolean;
  readonly docId?: boolean;
}

/** What commands about one document take. */
export const documentFlags = { ...jsonFlag, docId: switchFlag("FILE is the id of a document") };

/** The id of the document that a word means; undefined for a file that is not exported. */
export async function documentId(
  documents: DocumentStore,
  word: string,
  flags: DocumentFlags,
): Promise<string | undefined> {
  return flags.docId === true ? word : await documents.idOf(resolve(word));
}

/** As with Flatpak, that a file is not exported is an answer and no failure. */
export function notExported(flags: DocumentFlags): Result {
  return flags.json === true ? { kind: "json", value: null } : textLines(["Not exported"]);
}

export function documentJson({ apps, ...document }: ExportedDocument): Result {
  return { kind: "json", value: { ...document, permissions: Object.fromEntries(apps) } };
}
