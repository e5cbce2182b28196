// SPDX-License-Identifier: Apache-2.0
import type { Result } from "../render/result.ts";
import type { Column, Row } from "../render/table.ts";
import { withDocuments } from "../session/documents/reach.ts";
import type { ExportedDocument } from "../session/documents/types.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { optionalArgument } from "./flags.ts";
import { type ListingFlags, listing, listingFlags } from "./listing.ts";

const columns: readonly Column[] = [
  { name: "id", title: "ID", shownByDefault: true, description: "Id of the document" },
  { name: "path", title: "Path", shownByDefault: false, description: "Where it is seen" },
  { name: "origin", title: "Origin", shownByDefault: true, description: "The file itself" },
  { name: "application", title: "Application", shownByDefault: true, description: "App that has it" },
  { name: "permissions", title: "Permissions", shownByDefault: true, description: "What the app may do with it" },
];

/** A line for each app of each document; documents that no app has get one too, unless one app is asked for. */
function rowsOf(documents: readonly ExportedDocument[], wanted: string | undefined): readonly Row[] {
  return documents.flatMap(({ apps, id, path, origin }): Row[] => {
    const document = { id, path, origin };
    if (apps.size === 0 && wanted === undefined) return [{ ...document, application: "", permissions: "" }];
    return [...apps]
      .filter(([app]) => wanted === undefined || app === wanted)
      .map(([application, permissions]) => ({ ...document, application, permissions: permissions.join(" ") }));
  });
}

async function run({ signal }: Context, flags: ListingFlags, app?: string): Promise<Result> {
  const rows = rowsOf(await withDocuments(signal, (documents) => documents.list(app)), app);
  return listing(columns, rows, flags, "Nothing is exported");
}

export default defineCommand<ListingFlags, [string?]>({
  brief: "Show the files that were exported to apps",
  description: "Lists what the document portal of the session keeps, or, where there is none, what Dowel does.",
  columns,
  examples: [
    ["documents", "lists all"],
    ["documents org.example.App", "lists what one app has"],
    ["documents --json", "prints all as JSON"],
  ],
  parameters: {
    flags: listingFlags,
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [optionalArgument("App", "APP")] },
  },
  run,
});
