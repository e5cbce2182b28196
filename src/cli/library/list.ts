// SPDX-License-Identifier: Apache-2.0
import { findFolders, ownPlace } from "../../engine/library/folders.ts";
import type { Result } from "../../render/result.ts";
import type { Column } from "../../render/table.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { textArgument } from "../flags.ts";
import { type LibraryFlags, libraryFlags, libraryName } from "../librarychange.ts";
import { type ListingFlags, listing, listingFlags } from "../listing.ts";

interface Flags extends LibraryFlags, ListingFlags {}

const columns: readonly Column[] = [
  { name: "name", title: "Name", shownByDefault: true, description: "Name below /run/flatpak/library" },
  { name: "path", title: "Path", shownByDefault: true, description: "Folder of the host" },
  { name: "access", title: "Access", shownByDefault: true, description: "ro or rw" },
  { name: "available", title: "Available", shownByDefault: true, description: "Whether the folder is there now" },
  { name: "medium", title: "Medium", shownByDefault: false, description: "What it lies on, if that can be taken away" },
  { name: "shown", title: "Shown at", shownByDefault: false, description: "Path in the sandbox" },
];

async function run(_context: Context, flags: Flags, app: string): Promise<Result> {
  const found = findFolders(ownPlace(), libraryName(app, flags));
  const rows = found.map(({ name, path, access, available, medium, shown }) => {
    return { name, path, access, available, medium, shown };
  });
  return listing(columns, rows, flags, "Nothing was picked");
}

export default defineCommand<Flags, [string]>({
  brief: "Show the folders that were picked for an app",
  columns,
  examples: [
    ["library list org.example.Photos", "lists them"],
    ["library list --json org.example.Photos", "prints them as JSON"],
  ],
  parameters: {
    flags: { ...listingFlags, ...libraryFlags },
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("App", "APP")] },
  },
  run,
});
