// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { DowelError, fileError } from "../base/errors.ts";
import { escapeForTerminal } from "../base/text.ts";
import { isServed } from "../engine/places.ts";
import { applySettings, checkOrigins, dropRemotes, prepareRefs } from "../engine/state/apply.ts";
import { decodeState } from "../engine/state/decode.ts";
import { type Change, describeChange, diffStates } from "../engine/state/diff.ts";
import { readState } from "../engine/state/read.ts";
import { askYesNo } from "../render/prompt.ts";
import { nothing, type Result } from "../render/result.ts";
import { droppedRemotesAsChanges, settingsAsChanges } from "../system/state.ts";
import { type Context, withReporter } from "./context.ts";
import { defineCommand } from "./define.ts";
import { changeAliases, type FetchFlags, fetchFlags, switchFlag, textArgument } from "./flags.ts";
import {
  changeAll,
  installationForChange,
  installationsBeside,
  installationToShow,
  runTransactions,
  type ShownTransaction,
} from "./transaction.ts";

interface Flags extends FetchFlags {
  readonly dryRun?: boolean;
}

function read(path: string): string {
  try {
    return readFileSync(path === "-" ? 0 : path, "utf8");
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

function show(changes: readonly Change[], json: boolean): Result {
  if (json) return { kind: "json", value: changes };
  const lines = changes.map((change) => `${escapeForTerminal(describeChange(change))}\n`);
  return { kind: "text", text: lines.length === 0 ? "Nothing to do.\n" : lines.join("") };
}

function confirm(context: Context, flags: Flags, changes: readonly Change[]): void {
  if (flags.assumeyes === true || flags.noninteractive === true || flags.json === true) return;
  const { terminal } = context;
  for (const change of changes) terminal.err(`${escapeForTerminal(describeChange(change))}\n`);
  if (askYesNo(terminal, "Proceed with these changes?")) return;
  const hint = terminal.canAsk ? {} : { hint: "Nobody can be asked here; give -y to go on without a question." };
  throw new DowelError("ABORTED", "Nothing was changed", hint);
}

async function run(context: Context, flags: Flags, file: string): Promise<Result> {
  const { signal } = context;
  const wanted = decodeState(read(file), file);
  const installation = flags.dryRun === true ? installationToShow(flags) : installationForChange(flags);
  const current = readState(installation);
  const changes = diffStates(current, wanted);
  checkOrigins(wanted.remotes ?? current.remotes, changes);
  if (flags.dryRun === true) return show(changes, flags.json === true);
  if (changes.length > 0) confirm(context, flags, changes);
  const served = isServed(installation);
  const how = { noninteractive: flags.noninteractive };
  if (served) await changeAll(context, installation, settingsAsChanges(changes), how);
  else await applySettings(installation, changes, signal);
  const options = { installations: installationsBeside(installation), signal };
  const transaction: ShownTransaction = {
    installation,
    prepare: (report, declined) => prepareRefs(installation, changes, { ...options, report, declined }),
  };
  const isBusy = changes.length > 0;
  await runTransactions(context, isBusy ? { ...flags, assumeyes: true } : flags, [transaction], isBusy);
  if (served) await changeAll(context, installation, droppedRemotesAsChanges(changes), how);
  else await dropRemotes(installation, changes, signal);
  return withReporter(context, flags.json === true, async (report) => {
    for (const change of changes) report({ type: "note", text: describeChange(change) });
    return nothing;
  });
}

export default defineCommand<Flags, [string]>({
  brief: "Bring an installation to what a file says",
  description:
    "The file, YAML or JSON, names remotes, refs, pins, masks, overrides and configuration; state.schema.json describes it. Of each part that it has, nothing else stays; parts that it lacks are left alone. Runtimes go when nothing uses them.",
  examples: [
    ["apply state.yml --dry-run", "shows what would change"],
    ["apply --user -y state.yml", "makes the user's installation what the file says"],
    ["export-state > state.yml", "writes such a file"],
  ],
  parameters: {
    flags: { ...fetchFlags, dryRun: switchFlag("Only show what would change") },
    aliases: changeAliases,
    positional: { kind: "tuple", parameters: [textArgument("State file, or - for standard input", "FILE")] },
  },
  run,
});
