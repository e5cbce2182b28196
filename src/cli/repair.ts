// SPDX-License-Identifier: Apache-2.0

import type { RepairFinding, Report } from "../base/events.ts";
import { escapeForTerminal } from "../base/text.ts";
import { isChosen, isWritable, shownName } from "../engine/places.ts";
import { isSound } from "../engine/repair.ts";
import type { Result } from "../render/result.ts";
import { type Context, withReporter } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, jsonFlag, switchFlag } from "./flags.ts";
import { change, installationChoice, installationsToRead } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly dryRun?: boolean;
  readonly reinstallAll?: boolean;
  readonly json?: boolean;
}

function describe(finding: RepairFinding): string {
  const { kind, what, path, detail, mended } = finding;
  return escapeForTerminal(`${mended ? "mended: " : ""}${kind} ${what}: ${path}: ${detail}`);
}

async function run(context: Context, flags: Flags): Promise<Result> {
  const all = installationsToRead(flags);
  const chosen = isChosen(installationChoice(flags)) ? all : all.filter(({ path }) => isWritable(path));
  const found: (RepairFinding & { readonly installation: string })[] = [];
  for (const installation of chosen) {
    const wanted = {
      kind: "repair",
      dryRun: flags.dryRun === true,
      reinstallAll: flags.reinstallAll === true,
    } as const;
    await withReporter(context, false, async (shown) => {
      const report: Report = (event) => {
        if (event.type !== "repair.finding") shown(event);
        else found.push({ installation: shownName(installation), ...event.finding });
      };
      await change(context, installation, wanted, { report });
    });
  }
  if (!isSound(found)) context.process.exitCode = 1;
  if (flags.json === true) return { kind: "json", value: found };
  const lines = found.map((finding) => `${describe(finding)}\n`).join("");
  return { kind: "text", text: found.length === 0 ? "Everything is sound.\n" : lines };
}

export default defineCommand<Flags, []>({
  brief: "Find and mend damage to installations",
  description:
    "Reads everything that is stored and compares it with its digests. What is missing or damaged is fetched again from where it came from. The exit status is 0 where nothing is wrong, or all of it was mended.",
  examples: [
    ["repair --dry-run", "says what is wrong and changes nothing"],
    ["repair --user", "mends the user's installation"],
    ["repair --user --reinstall-all", "mends it, and installs everything again"],
    ["repair --system --json", "mends the system's installation and tells programs what was wrong"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...jsonFlag,
      dryRun: switchFlag("Only say what is wrong"),
      reinstallAll: switchFlag("Then install everything again, damaged or not"),
    },
    aliases: { u: "user", j: "json" },
  },
  run,
});
