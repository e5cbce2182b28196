// SPDX-License-Identifier: Apache-2.0
import { removeFromLibrary } from "../../engine/library/change.ts";
import type { Result } from "../../render/result.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { jsonFlag, textArgument } from "../flags.ts";
import { showChange } from "../librarychange.ts";

interface Flags {
  readonly json?: boolean;
}

async function run({ signal }: Context, flags: Flags, app: string, folder: string): Promise<Result> {
  return showChange(await removeFromLibrary(app, folder, signal), "Taken away", flags);
}

export default defineCommand<Flags, [string, string]>({
  brief: "Take a folder away from an app, at once",
  description: "By its path or its name. Files that the app has open stay open.",
  examples: [["library remove org.example.Photos ~/Pictures", "ends what library add began"]],
  parameters: {
    flags: jsonFlag,
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("App", "APP"), textArgument("Path or name", "FOLDER")] },
  },
  run,
});
