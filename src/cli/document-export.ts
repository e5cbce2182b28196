// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import type { Result } from "../render/result.ts";
import { withDocuments } from "../session/documents/reach.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { documentJson } from "./documenttable.ts";
import { jsonFlag, switchFlag, textArgument, textsFlag } from "./flags.ts";
import { textLines } from "./lines.ts";

interface Flags {
  readonly json?: boolean;
  readonly unique?: boolean;
  readonly transient?: boolean;
  readonly noexist?: boolean;
  readonly allowRead?: boolean;
  readonly allowWrite?: boolean;
  readonly allowDelete?: boolean;
  readonly allowGrantPermission?: boolean;
  readonly forbidRead?: boolean;
  readonly forbidWrite?: boolean;
  readonly forbidDelete?: boolean;
  readonly forbidGrantPermission?: boolean;
  readonly app?: readonly string[];
}

function chosen(choices: Readonly<Record<string, boolean | undefined>>): readonly string[] {
  return Object.keys(choices).filter((permission) => choices[permission] === true);
}

async function run({ signal }: Context, flags: Flags, file: string): Promise<Result> {
  const wish = {
    path: resolve(file),
    apps: flags.app ?? [],
    // As with Flatpak, an app can always read what it is given, unless that is forbidden.
    allowed: chosen({
      read: true,
      write: flags.allowWrite,
      delete: flags.allowDelete,
      "grant-permissions": flags.allowGrantPermission,
    }),
    forbidden: chosen({
      read: flags.forbidRead,
      write: flags.forbidWrite,
      delete: flags.forbidDelete,
      "grant-permissions": flags.forbidGrantPermission,
    }),
    unique: flags.unique === true,
    transient: flags.transient === true,
    mayBeMissing: flags.noexist === true,
  };
  const document = await withDocuments(signal, (documents) => documents.export(wish));
  return flags.json === true ? documentJson(document) : textLines([document.path]);
}

export default defineCommand<Flags, [string]>({
  brief: "Export a file to apps",
  description:
    "Prints where the file is seen: apps that were named have it in /run/flatpak/doc, by the same id and name. Where the session has a document portal, that keeps it; else Dowel does, which can neither export a file that is not there yet nor let an app replace one.",
  examples: [
    ["document-export --app=org.example.Editor letter.odt", "lets the app read the file"],
    ["document-export -w -a org.example.Editor letter.odt", "lets it write, too"],
    ["document-export --forbid-write -a org.example.Editor letter.odt", "takes that back"],
    ["document-export -n -t -w -a org.example.Editor new.odt", "a file that is not there yet, for this session"],
  ],
  parameters: {
    flags: {
      ...jsonFlag,
      unique: switchFlag("Make a document of its own, also where the file is one already"),
      transient: switchFlag("Let it end with the session"),
      noexist: switchFlag("The file need not exist yet"),
      allowRead: switchFlag("Let the apps read it, as they do anyway"),
      allowWrite: switchFlag("Let the apps write it"),
      allowDelete: switchFlag("Let the apps delete it"),
      allowGrantPermission: switchFlag("Let the apps give it to others"),
      forbidRead: switchFlag("Do not let the apps read it"),
      forbidWrite: switchFlag("Do not let the apps write it"),
      forbidDelete: switchFlag("Do not let the apps delete it"),
      forbidGrantPermission: switchFlag("Do not let the apps give it to others"),
      app: textsFlag("App that gets it", "APP"),
    },
    aliases: {
      j: "json",
      u: "unique",
      t: "transient",
      n: "noexist",
      r: "allowRead",
      w: "allowWrite",
      d: "allowDelete",
      g: "allowGrantPermission",
      a: "app",
    },
    positional: { kind: "tuple", parameters: [textArgument("File or folder", "FILE")] },
  },
  run,
});
