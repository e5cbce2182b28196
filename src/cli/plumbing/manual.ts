// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileError } from "../../base/errors.ts";
import { version } from "../../base/version.ts";
import { formatManual, type Manual } from "../../render/manual.ts";
import type { Result } from "../../render/result.ts";
import { type CommandSource, optionsOf } from "../about.ts";
import { bareOptions } from "../bareoptions.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { textArgument } from "../flags.ts";

const pageOf = (name: string): string => `dowel-${name.replaceAll(" ", "-")}`;

/** What every command takes. */
const common = [
  ["--help, -h", "Print what the command takes, with examples"],
  ["-v, --verbose, --ostree-verbose", "Taken, as Flatpak's commands take them"],
] as const;

function manualOf(name: string, source: CommandSource): Manual {
  const options = optionsOf(source).map(({ names, placeholder, brief, values }) => {
    const [long, ...short] = names;
    const term = [placeholder === undefined ? long : `${long}=${placeholder}`, ...short].join(", ");
    return [term, values.length === 0 ? brief : `${brief}: ${values.join(", ")}`] as const;
  });
  const columns = source.columns.length === 0 ? [] : [`Columns: ${source.columns.join(", ")}.`];
  return {
    page: pageOf(name),
    brief: source.brief,
    synopsis: source.usage,
    paragraphs: [`${source.description ?? `${source.brief}.`}`, ...columns],
    lists: [
      { title: "Options", items: [...options, ...common] },
      { title: "Examples", items: source.examples.map(([words, effect]) => [`dowel ${words}`, effect] as const) },
    ],
    seeAlso: ["dowel"],
  };
}

/** The page of the program itself: its commands, and what it takes without one. */
function overview(shown: readonly (readonly [name: string, brief: string])[]): Manual {
  return {
    page: "dowel",
    brief: "Build, publish, install and run sandboxed apps as OCI images",
    synopsis: "[OPTION…] COMMAND [WORD…]",
    paragraphs: [
      "Apps and runtimes are OCI images in any registry. Commands, ids, metadata, permissions and data folders are Flatpak's; linked under the name flatpak, the program behaves the same.",
      "Every command that reports takes --json. Each has a manual page of its own, dowel-COMMAND(1).",
    ],
    lists: [
      { title: "Commands", items: shown },
      { title: "Options", items: [...bareOptions, ...common] },
      {
        title: "Environment",
        items: [
          ["DOWEL_USER_DIR", "The user's installation; else dowel in XDG_DATA_HOME"],
          ["DOWEL_SYSTEM_DIR", "The system's installation; else /var/lib/dowel"],
        ],
      },
      {
        title: "Files",
        items: [
          ["/etc/dowel/installations.d/*.conf", "Further installations of the system"],
          ["/etc/dowel/remotes.d/*.flatpakrepo", "Remotes that the system has from the start"],
          ["/etc/dowel/portals.json", "What portals may do, for a fleet, without dialogs"],
        ],
      },
    ],
    seeAlso: shown.map(([name]) => pageOf(name)),
  };
}

async function run(context: Context, _flags: object, folder: string): Promise<Result> {
  const shown = Object.entries(context.set.commands).filter(([, { hidden }]) => hidden !== true);
  const manuals = [overview(shown.map(([name, { brief }]) => [name, brief]))];
  for (const [name, { load }] of shown) manuals.push(manualOf(name, (await load()).default.source));
  try {
    mkdirSync(folder, { recursive: true });
    for (const manual of manuals) writeFileSync(join(folder, `${manual.page}.1`), formatManual(manual, version));
  } catch (error) {
    throw fileError(error, "write manual pages to", folder);
  }
  return { kind: "text", text: `${manuals.length} pages in ${folder}\n` };
}

export default defineCommand<object, [string]>({
  brief: "Write a manual page of every command",
  examples: [["plumbing manual build/man", "writes dowel.1, dowel-install.1 and so on"]],
  parameters: { positional: { kind: "tuple", parameters: [textArgument("Folder", "FOLDER")] } },
  run,
});
