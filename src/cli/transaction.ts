// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { type DowelEvent, type Report, silent } from "../base/events.ts";
import type { Choose } from "../engine/choose.ts";
import { isChosen, isServed, placeForAdding, placesToRead, placeToChange } from "../engine/places.ts";
import { installationToChange } from "../engine/spread.ts";
import type { Questions, Transaction, UndecidedPlace } from "../engine/transact.ts";
import type { Plan } from "../engine/types.ts";
import type { RefKind } from "../metadata/ref.ts";
import { askNumber, askYesNo } from "../render/prompt.ts";
import { nothing, type Result } from "../render/result.ts";
import { formatSize } from "../render/size.ts";
import { createInstallation, type Installation, openInstallation } from "../store/installation.ts";
import type { PlainChange } from "../system/change.ts";
import type { SystemService } from "../system/client.ts";
import { type Context, withReporter } from "./context.ts";
import type { FetchFlags, InstallationFlags, KindFlags } from "./flags.ts";
import { personFor } from "./person.ts";

export function installationChoice(flags: InstallationFlags) {
  return { user: flags.user, system: flags.system, names: flags.installation };
}

/** The installations that a command reads, in the order they are asked. */
export function installationsToRead(flags: InstallationFlags): readonly Installation[] {
  return placesToRead(installationChoice(flags)).map((place) => openInstallation(place));
}

/** The one installation that a command shows: the one named, else that which it would change. */
export function installationToShow(flags: InstallationFlags): Installation {
  const choice = installationChoice(flags);
  const own = process.getuid?.() === 0 ? { system: true } : { user: true };
  const [place] = placesToRead(isChosen(choice) ? choice : own);
  if (place === undefined) throw new Error("there is always an installation to read");
  return openInstallation(place);
}

/** The installation that a command adds to, made where it is missing. */
export function installationForAdding(flags: InstallationFlags): Installation {
  return createInstallation(placeForAdding(installationChoice(flags)));
}

/** The same; one that is not the caller's to write to is opened as it is, and changed by the system service. */
export function installationForChange(flags: InstallationFlags): Installation {
  return installationToChange(placeToChange(installationChoice(flags)));
}

/** What counts as installed already for a plan: what is for everybody cannot rely on what one user has. */
export function installationsBeside(installation: Installation): readonly Installation[] {
  const all = installationsToRead({});
  return isServed(installation) ? all.filter(({ kind }) => kind === "system") : all;
}

interface ChangeOptions {
  readonly report?: Report | undefined;
  readonly noninteractive?: boolean | undefined;
}

/** Carries out a change, by the system service where the caller may not write. Answers whether there was anything to do. */
export async function change(
  context: Context,
  installation: Installation,
  wanted: PlainChange,
  options: ChangeOptions = {},
): Promise<boolean> {
  return await changeAll(context, installation, [wanted], options);
}

/** The same for several changes, in their order. */
export async function changeAll(
  context: Context,
  installation: Installation,
  wanted: readonly PlainChange[],
  options: ChangeOptions = {},
): Promise<boolean> {
  const { report = silent, noninteractive } = options;
  const { applyChanges } = await import("../system/apply.ts");
  return await applyChanges(wanted, {
    ...{ installation, report, signal: context.signal },
    interactive: noninteractive !== true,
  });
}

export function kindOf(flags: KindFlags): RefKind | undefined {
  if (flags.app === flags.runtime) return undefined;
  return flags.app === true ? "app" : "runtime";
}

/** Whether questions are asked at all. */
function asks(flags: FetchFlags): boolean {
  return flags.assumeyes !== true && flags.noninteractive !== true && flags.json !== true;
}

/**
 * Asks a person which of several things is meant; undefined where nobody is there. As Flatpak, `-y` agrees to the only thing
 * that there is, but does not choose between several.
 */
export function chooser({ terminal }: Context, flags: FetchFlags): Choose | undefined {
  if (flags.json === true || !terminal.canAsk) return undefined;
  return (question, items) => {
    if (!asks(flags) && items.length === 1) return 0;
    return flags.noninteractive === true ? "unasked" : askNumber(terminal, question, items);
  };
}

/** Shows what a plan costs, and asks. Throws `ABORTED` where the answer is no. */
function confirm(context: Context, plan: Plan, installation: Installation): void {
  const { terminal } = context;
  if (plan.downloadSize > 0) {
    terminal.err(
      `To fetch: at most ${formatSize(plan.downloadSize)}; on disk: at most ${formatSize(plan.installedSize)}\n`,
    );
  }
  if (askYesNo(terminal, `Proceed with these changes to the ${installation.name} installation?`)) return;
  const hint = terminal.canAsk ? {} : { hint: "Nobody can be asked here; give -y to go on without a question." };
  throw new DowelError("ABORTED", "Nothing was changed", hint);
}

/** Asks whether a place is trusted for all users. Throws `POLICY_REFUSED` where nobody can be asked. */
function trusts({ terminal }: Context, { url, images }: UndecidedPlace): boolean {
  const text = `${url}: nothing says who must have signed its images, and all users of this machine would run them`;
  if (!terminal.canAsk) {
    throw new DowelError("POLICY_REFUSED", text, {
      hint: "Add it as a remote with --verify=key, gpg, keyless or none; nobody can be asked here.",
    });
  }
  const list = images.map((image) => `  ${image}\n`).join("");
  const advice = "If its publisher signs, answer no and add it as a remote with --verify=key, gpg or keyless.";
  return askYesNo(
    terminal,
    `${text}.\n${list}${advice}\nTake images from there as they are, now and for updates?`,
    "no",
  );
}

function questionsFor(context: Context, flags: FetchFlags): Questions | undefined {
  if (!asks(flags)) return undefined;
  const { terminal } = context;
  return {
    confirms: (plan, installation) => confirm(context, plan, installation),
    trusts: (place) => trusts(context, place),
    replaces: (ref, successor) =>
      !terminal.canAsk || askYesNo(terminal, `${ref} is no longer maintained. Replace it by ${successor}?`),
  };
}

/** A transaction, and the events of it that a person need not see. */
export interface ShownTransaction extends Transaction {
  /** How many versions stay beside a new one, where that is not for the installation to say. */
  readonly keepVersions?: number | undefined;
  readonly hides?: (event: DowelEvent) => boolean;
}

/** The system service for an installation that is not the caller's to write to. */
export async function serviceFor(
  { signal }: Pick<Context, "signal">,
  installation: Installation,
): Promise<SystemService | undefined> {
  if (!isServed(installation)) return undefined;
  const { SystemService } = await import("../system/client.ts");
  return await SystemService.connect(installation, signal);
}

/** Carries out one transaction with its events shown. Answers whether there was anything to do. */
async function runOne(context: Context, flags: FetchFlags, transaction: ShownTransaction): Promise<boolean> {
  const { keepVersions, hides = () => false } = transaction;
  const json = flags.json === true;
  const { installation } = transaction;
  const interactive = flags.noninteractive !== true;
  const { transact } = await import("../engine/transact.ts");
  using service = await serviceFor(context, installation);
  const plan = await withReporter(context, json, (report) =>
    transact(transaction, {
      carryOut: service?.carryOut({ report, signal: context.signal, interactive }),
      ...{ noDeploy: flags.noDeploy, noPull: flags.noPull, sideloadRepos: flags.sideloadRepo },
      keepVersions,
      questions: questionsFor(context, flags),
      person: personFor(context, flags),
      report: (event) => {
        if (json || !hides(event)) report(event);
      },
      signal: context.signal,
    }),
  );
  return plan.operations.length > 0 || plan.failed.length > 0;
}

/**
 * Carries out transactions, one installation after the other; where none has anything to do, that is said once, unless
 * `otherwiseBusy`: something else was done.
 */
export async function runTransactions(
  context: Context,
  flags: FetchFlags,
  transactions: readonly ShownTransaction[],
  otherwiseBusy = false,
): Promise<Result> {
  let idle = !otherwiseBusy;
  for (const transaction of transactions) if (await runOne(context, flags, transaction)) idle = false;
  if (idle) {
    await withReporter(context, flags.json === true, async (report) =>
      report({ type: "note", text: "Nothing to do." }),
    );
  }
  return nothing;
}
