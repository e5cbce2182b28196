// SPDX-License-Identifier: Apache-2.0
import type { Result } from "../render/result.ts";
import { withDocuments } from "../session/documents/reach.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type DocumentFlags, documentFlags, documentId, documentJson, notExported } from "./documenttable.ts";
import { textArgument } from "./flags.ts";
import { textLines } from "./lines.ts";

async function run({ signal }: Context, flags: DocumentFlags, word: string): Promise<Result> {
  const document = await withDocuments(signal, async (documents) => {
    const id = await documentId(documents, word, flags);
    return id === undefined ? undefined : await documents.info(id);
  });
  if (document === undefined) return notExported(flags);
  if (flags.json === true) return documentJson(document);
  const { id, path, origin, apps } = document;
  return textLines([
    `id: ${id}`,
    `path: ${path}`,
    `origin: ${origin}`,
    "permissions:",
    ...[...apps].map(([app, permissions]) => `\t${app}\t${permissions.join(", ")}`),
  ]);
}

export default defineCommand<DocumentFlags, [string]>({
  brief: "Show what is known of an exported file",
  examples: [
    ["document-info letter.odt", "tells which apps may do what with the file"],
    ["document-info --doc-id 1c8e0f3a", "the same by the document's id"],
  ],
  parameters: {
    flags: documentFlags,
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("Exported file", "FILE")] },
  },
  run,
});
