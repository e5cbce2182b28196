// SPDX-License-Identifier: Apache-2.0

import { DowelError } from "../base/errors.ts";
import { type DowelEvent, type Report, silent } from "../base/events.ts";
import { escapeForTerminal } from "../base/text.ts";
import type { BackgroundSummary } from "../engine/background/update.ts";
import { isChosen, isServed } from "../engine/places.ts";
import { prepareUpdate } from "../engine/prepareupdate.ts";
import { upToDate } from "../engine/resolve/facts.ts";
import { spreadNames } from "../engine/spread.ts";
import { formatRef } from "../metadata/ref.ts";
import { nothing, type Result } from "../render/result.ts";
import { parseKeptVersions } from "../store/settings.ts";
import { type Context, withReporter } from "./context.ts";
import { defineCommand } from "./define.ts";
import {
  changeAliases,
  type FetchFlags,
  fetchFlags,
  planOptions,
  switchFlag,
  textArgument,
  textFlag,
} from "./flags.ts";
import {
  change,
  installationChoice,
  installationsBeside,
  installationsToRead,
  kindOf,
  runTransactions,
  serviceFor,
} from "./transaction.ts";

interface Flags extends FetchFlags {
  readonly commit?: string;
  readonly keepVersions?: number;
  readonly appstream?: boolean;
  readonly forceRemove?: boolean;
  readonly background?: boolean;
  readonly noNewPermissions?: boolean;
}

function describeSummary({ installation, postponed, changed, held, failure }: BackgroundSummary): string {
  const lines = [
    ...(postponed === undefined ? [] : [`Nothing was updated: ${postponed}`]),
    ...changed.map(({ ref, to }) => (to === "" ? `Removed ${ref}` : `Updated ${ref} to ${to.slice(0, 12)}`)),
    ...held.map(({ ref, newPermissions }) => `Waiting for 'dowel update': ${ref} asks for ${newPermissions.join(" ")}`),
    ...(failure === undefined ? [] : [`Failed: ${failure.message} [${failure.code}]`]),
  ];
  return lines.map((line) => escapeForTerminal(`${installation}: ${line}\n`, true)).join("");
}

/** Updates without anybody there; says what was done only in the end. */
async function updateAlone(context: Context, flags: Flags): Promise<Result> {
  const { updateInBackground } = await import("../engine/background/update.ts");
  const { signal } = context;
  const summaries: BackgroundSummary[] = [];
  for (const { installation } of spreadNames(installationChoice(flags), [], {})) {
    using service = await serviceFor(context, installation);
    // Nobody is there to be asked for a password.
    const carryOut = service?.carryOut({ report: silent, signal, interactive: false });
    const options = { ...planOptions(flags), installations: installationsBeside(installation), carryOut, signal };
    summaries.push(await updateInBackground(installation, options));
  }
  if (summaries.some(({ failure }) => failure !== undefined)) context.process.exitCode = 1;
  if (flags.json === true) return { kind: "json", value: summaries };
  return { kind: "text", text: summaries.map(describeSummary).join("") };
}

/** Makes a certain version of one ref the active one. */
async function updateTo(context: Context, flags: Flags, commit: string, words: readonly string[]): Promise<Result> {
  const [{ wholeCommit }, { findInstalled }] = await Promise.all([
    import("../engine/rollback.ts"),
    import("../engine/find.ts"),
  ]);
  const [name, ...others] = words;
  if (name === undefined || others.length > 0) throw new DowelError("USAGE", "--commit needs exactly one ref");
  const { installation, deployment } = findInstalled(installationsToRead(flags), name, {
    arch: flags.arch,
    kind: kindOf(flags),
  });
  await withReporter(context, flags.json === true, async (report) => {
    const wanted = wholeCommit(installation, deployment.ref, commit);
    const request = { kind: "switch", ref: formatRef(deployment.ref), commit: wanted } as const;
    const { noninteractive } = flags;
    if (!(await change(context, installation, request, { report, noninteractive })))
      report({ type: "note", text: "Nothing to do." });
  });
  return nothing;
}

/** Fetches the AppStream data of remotes instead of refs. */
async function updateAppstreamOf(context: Context, flags: Flags, words: readonly string[]): Promise<Result> {
  const { refreshAppstream } = await import("../engine/appstream.ts");
  const [remote, ...others] = words;
  if (others.length > 0) throw new DowelError("USAGE", "--appstream takes the name of one remote, or none");
  const installations = installationsToRead(flags);
  const served = isChosen(installationChoice(flags)) ? installations.filter((one) => isServed(one)) : [];
  const own = installations.filter((installation) => !served.includes(installation));
  const { arch, noninteractive } = flags;
  await withReporter(context, flags.json === true, async (report) => {
    if (own.length > 0) await refreshAppstream(own, { remote, arch, report, signal: context.signal });
    for (const installation of served) {
      await change(context, installation, { kind: "appstream", remote, arch }, { report, noninteractive });
    }
  });
  return nothing;
}

async function run(context: Context, flags: Flags, ...words: string[]): Promise<Result> {
  if (flags.appstream === true) return await updateAppstreamOf(context, flags, words);
  if (flags.commit !== undefined) return await updateTo(context, flags, flags.commit, words);
  if (flags.background === true) {
    if (words.length > 0) throw new DowelError("USAGE", "--background updates everything; it takes no refs");
    return await updateAlone(context, flags);
  }
  const selection = { arch: flags.arch, kind: kindOf(flags) };
  const places = spreadNames(installationChoice(flags), words, selection);
  const options = {
    ...selection,
    ...planOptions(flags),
    forceRemove: flags.forceRemove ?? false,
    holdGrowth: flags.noNewPermissions ?? false,
    cached: flags.noPull,
    mayBeOld: flags.sideloadRepo !== undefined,
    signal: context.signal,
  };
  const transactions = places.map(({ installation, names }) => ({
    installation,
    keepVersions: flags.keepVersions,
    prepare: (report: Report, declined: ReadonlySet<string>) =>
      prepareUpdate(installation, names, {
        ...options,
        installations: installationsBeside(installation),
        declined,
        report,
      }),
    // Of everything that is installed, what is new is of interest.
    hides: (event: DowelEvent) => words.length === 0 && event.type === "operation.skip" && event.reason === upToDate,
  }));
  return runTransactions(context, flags, transactions);
}

export default defineCommand<Flags, string[]>({
  brief: "Update what is installed",
  description: "Without refs, everything in the installations that the caller can change.",
  examples: [
    ["update", "updates everything"],
    ["update --user -y org.example.App", "updates one app and its runtime without a question"],
    ["update --commit=COMMIT org.example.App", "changes one app to a certain version, be it older or newer"],
    ["update --appstream", "updates what software centres show of the remotes"],
    [
      "update --background --json",
      "updates what needs no question, where power and network allow it; says what changed",
    ],
    ["update --json", "prints what happens as one JSON object a line"],
  ],
  parameters: {
    flags: {
      ...fetchFlags,
      commit: textFlag("Version to change to", "COMMIT"),
      keepVersions: {
        kind: "parsed",
        parse: parseKeptVersions,
        brief: "Keep so many versions to go back to, whatever the installation says",
        placeholder: "N",
        optional: true,
      },
      appstream: switchFlag("Update the AppStream data of a remote, or of all, for software centres"),
      background: switchFlag(
        "For timers: not from a battery or over a metered network, nothing that asks for more rights",
      ),
      noNewPermissions: switchFlag("Leave apps as they are that ask for more permissions than they have"),
      forceRemove: switchFlag("Remove runtimes that were replaced even where they are in use"),
    },
    aliases: changeAliases,
    positional: { kind: "array", parameter: textArgument("Refs to update", "REF") },
  },
  run,
});
