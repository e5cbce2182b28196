// SPDX-License-Identifier: Apache-2.0
import { nothing, type Result } from "../render/result.ts";
import { withDocuments } from "../session/documents/reach.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type DocumentFlags, documentFlags, documentId, notExported } from "./documenttable.ts";
import { textArgument } from "./flags.ts";

async function run({ signal }: Context, flags: DocumentFlags, word: string): Promise<Result> {
  const id = await withDocuments(signal, async (documents) => {
    const found = await documentId(documents, word, flags);
    if (found !== undefined) await documents.delete(found);
    return found;
  });
  if (id === undefined) return notExported(flags);
  return flags.json === true ? { kind: "json", value: {} } : nothing;
}

export default defineCommand<DocumentFlags, [string]>({
  brief: "Take an exported file away again",
  description: "All apps lose it. The file itself stays as it is.",
  examples: [
    ["document-unexport letter.odt", "takes the file away from all apps"],
    ["document-unexport --doc-id 1c8e0f3a", "the same by the document's id"],
  ],
  parameters: {
    flags: documentFlags,
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("Exported file", "FILE")] },
  },
  run,
});
