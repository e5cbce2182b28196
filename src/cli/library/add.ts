// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { addToLibrary } from "../../engine/library/change.ts";
import { ownPlace } from "../../engine/library/folders.ts";
import type { Result } from "../../render/result.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { jsonFlag, switchFlag, textArgument } from "../flags.ts";
import { type LibraryFlags, libraryFlags, libraryName, showChange } from "../librarychange.ts";

interface Flags extends LibraryFlags {
  readonly json?: boolean;
  readonly readOnly?: boolean;
}

async function run({ signal }: Context, flags: Flags, app: string, folder: string): Promise<Result> {
  const access = flags.readOnly === true ? "ro" : "rw";
  const change = await addToLibrary(
    ownPlace(),
    { name: libraryName(app, flags), path: resolve(folder), access },
    signal,
  );
  return showChange(change, "Shown", flags);
}

export default defineCommand<Flags, [string, string]>({
  brief: "Show an app a folder from now on, also where it runs",
  description:
    "The app finds it at /run/flatpak/library, by its name. A folder of a medium is shown whenever that very medium is mounted there. The home folder itself, hidden ones that decide over programs, and the system's own are refused.",
  examples: [
    ["library add org.example.Photos ~/Pictures", "lets the app read and write the folder"],
    ["library add --read-only org.example.Player /media/me/Music", "lets it only read"],
  ],
  parameters: {
    flags: { ...jsonFlag, ...libraryFlags, readOnly: switchFlag("Let the app only read") },
    aliases: { j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("App", "APP"), textArgument("Folder", "FOLDER")] },
  },
  run,
});
