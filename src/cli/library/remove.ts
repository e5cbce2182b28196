// SPDX-License-Identifier: Apache-2.0
import { removeFromLibrary } from "../../engine/library/change.ts";
import { ownPlace } from "../../engine/library/folders.ts";
import type { Result } from "../../render/result.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { jsonFlag, textArgument } from "../flags.ts";
import { type LibraryFlags, libraryFlags, libraryName, showChange } from "../librarychange.ts";

interface Flags extends LibraryFlags {
  readonly json?: boolean;
}

async function run({ signal }: Context, flags: Flags, app: string, folder: string): Promise<Result> {
  const change = await removeFromLibrary(ownPlace(), libraryName(app, flags), folder, signal);
  return showChange(change, "Taken away", flags);
}

export default defineCommand<Flags, [string, string]>({
  brief: "Take a folder away from an app, at once",
  description:
    "By its path or its name. What the app has open of it stays open, as Linux has it, and an app that may make namespaces keeps what it has taken into them; to end that too: dowel kill APP.",
  examples: [["library remove org.example.Photos ~/Pictures", "ends what library add began"]],
  parameters: {
    flags: { ...jsonFlag, ...libraryFlags },
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("App", "APP"), textArgument("Path or name", "FOLDER")] },
  },
  run,
});
