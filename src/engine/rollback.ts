// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { DowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { formatRef, type Ref } from "../metadata/ref.ts";
import { activateDeployment, deployImage } from "../store/deploy/deploy.ts";
import { activeDeployment, deployedCommits, newestFirst, readDeployment, tryRead } from "../store/deployments.ts";
import { imageFile } from "../store/image/stored.ts";
import type { Installation } from "../store/installation.ts";
import { type JournalFacts, journalFacts, noFacts } from "../store/journal.ts";
import { versionsToKeep } from "../store/kept.ts";
import type { Deployment } from "../store/types.ts";
import { withCommit } from "./commit.ts";
import type { ChangeContext } from "./fetch.ts";
import { checkWritable } from "./places.ts";
import { tidy } from "./remove.ts";
import { updateDatabases } from "./triggers.ts";

export interface SwitchOptions {
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The version that was active before the active one: as the journal says, else the one deployed last. Throws
 * `REF_NOT_FOUND` where none is kept, and `STORE_INVALID` where it is lost or damaged: nobody wants a still older one
 * without being asked.
 */
export function previousVersion(installation: Installation, { ref, commit }: Deployment): string {
  const journal = tryRead(() => journalFacts(installation)) ?? noFacts;
  const others = deployedCommits(installation, ref).filter((other) => other !== commit);
  const noted = versionsToKeep(installation, journal, ref, commit);
  const [before, ...older] = new Set([...noted, ...newestFirst(installation, ref, others)]);
  if (before === undefined) throw noneKept(ref, commit, journal);
  if (isWhole(installation, ref, before)) return before;
  const other = older.find((one) => isWhole(installation, ref, one));
  const instead = other === undefined ? "" : ` To go to another one: dowel rollback --to=${other} ${ref.id}.`;
  throw new DowelError("STORE_INVALID", `The version of ${formatRef(ref)} before, ${before}, is lost or damaged`, {
    hint: `To mend it: dowel repair.${instead}`,
  });
}

function isWhole(installation: Installation, ref: Ref, commit: string): boolean {
  const deployment = tryRead(() => readDeployment(installation, ref, commit));
  return deployment !== undefined && existsSync(imageFile(installation, commit));
}

/** How many earlier versions an error names. */
const namedVersions = 5;

function noneKept(ref: Ref, active: string, journal: JournalFacts): DowelError {
  const prefix = `${formatRef(ref)} `;
  const earlier = [...journal.versions]
    .filter(([name]) => name.startsWith(prefix) && name !== `${prefix}${active}`)
    .map(([, entry]) => entry)
    .sort((left, right) => right.time - left.time)
    .slice(0, namedVersions);
  const there = earlier.length === 0 ? "" : ` There were: ${earlier.map(({ commit }) => commit).join(", ")}.`;
  return new DowelError("REF_NOT_FOUND", `No other version of ${formatRef(ref)} is kept than ${active}`, {
    hint: `To fetch one, where it still can be had: dowel update --commit=COMMIT ${ref.id}.${there}`,
  });
}

/** The whole commit that a beginning means, among those deployed; a whole one need not be. Throws `USAGE`. */
export function wholeCommit(installation: Installation, ref: Ref, text: string): string {
  const wanted = text.replace(/^sha256:/, "").toLowerCase();
  if (/^[0-9a-f]{64}$/.test(wanted)) return wanted;
  const [found, second] = /^[0-9a-f]{4,63}$/.test(wanted)
    ? deployedCommits(installation, ref).filter((commit) => commit.startsWith(wanted))
    : [];
  if (found !== undefined && second === undefined) return found;
  const kept = deployedCommits(installation, ref).join(", ");
  throw new DowelError("USAGE", `${text}: not a commit of ${formatRef(ref)}; expected 64 hex digits`, {
    hint: `Versions that are here: ${kept}.`,
  });
}

/**
 * Makes a version of something installed the active one: at once where it is still deployed, else fetched by its digest
 * from where the active one came from. Any version may be chosen, an older one too: that is what it is for.
 * Answers undefined where it is active already. Throws what fetching throws.
 */
export async function switchVersion(
  installation: Installation,
  ref: Ref,
  commit: string,
  options: SwitchOptions = {},
): Promise<Deployment | undefined> {
  const { report = silent, signal } = options;
  checkWritable(installation);
  const active = activeDeployment(installation, ref);
  if (active === undefined) throw new DowelError("NOT_INSTALLED", `${formatRef(ref)} is not installed`);
  const wanted = wholeCommit(installation, ref, commit);
  if (wanted === active.commit) return undefined;
  const context = { installation, report, signal };
  const name = formatRef(ref);
  report({ type: "operation.start", operation: "switch", ref: name });
  const deployment = deployedCommits(installation, ref).includes(wanted)
    ? await activateDeployment(installation, ref, wanted, { report, signal })
    : await fetchVersion(ref, wanted, active, context);
  await updateDatabases(context, [deployment]);
  report({ type: "operation.done", operation: "switch", ref: name, commit: wanted });
  return deployment;
}

async function fetchVersion(ref: Ref, commit: string, active: Deployment, context: ChangeContext): Promise<Deployment> {
  const { installation, report, signal } = context;
  const { origin, source } = active;
  const deployment = await withCommit(ref, commit, active, { ...context, subpaths: active.subpaths }, (image) =>
    deployImage(installation, image, { origin, source, report, signal }),
  );
  await tidy(context);
  return deployment;
}
