// SPDX-License-Identifier: Apache-2.0
import { type DowelError, isDowelError } from "../base/errors.ts";
import { type RepairFinding, type Report, silent } from "../base/events.ts";
import { formatRef } from "../metadata/ref.ts";
import { activeDeployment } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { lockForChange } from "../store/locks.ts";
import { rebuild } from "../store/repair/deployment.ts";
import { type Finding, Findings } from "../store/repair/findings.ts";
import { giveUp } from "../store/repair/giveup.ts";
import { inspect } from "../store/repair/inspect.ts";
import type { Version } from "../store/repair/versions.ts";
import { isWithdrawn, withCommit } from "./commit.ts";
import { execute } from "./execute.ts";
import type { ChangeContext } from "./fetch.ts";
import { checkWritable } from "./places.ts";
import { prepareReinstall } from "./reinstall.ts";
import { tidy } from "./remove.ts";
import { checkSettings } from "./repairsettings.ts";

export interface RepairOptions {
  /** Only look. */
  readonly dryRun: boolean;
  /** Afterwards install everything again, damaged or not, in the version that its remote has now. */
  readonly reinstallAll?: boolean | undefined;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What costs a little space and nothing else; the index is only a cache. */
const harmless: ReadonlySet<string> = new Set(["leftover", "dangling"]);

/** Whether nothing is left that a user would miss. */
export function isSound(findings: readonly RepairFinding[]): boolean {
  return findings.every(({ kind, what, mended }) => mended || harmless.has(what) || kind === "index");
}

/**
 * Looks through an installation and mends what is wrong with it: of the store's own parts where they allow that, else
 * by fetching again what is missing or damaged from where it came from. What cannot be fetched is reported as a warning
 * and stays unmended. What cannot be installed again, where that is asked for, is thrown in the end. Throws `NOT_PERMITTED` where the caller cannot change the installation.
 */
export async function repair(installation: Installation, options: RepairOptions): Promise<readonly Finding[]> {
  const { report = silent, signal } = options;
  checkWritable(installation);
  const findings = new Findings(!options.dryRun);
  const incomplete = await inspect(installation, findings, { report, signal });
  checkSettings(installation, findings);
  if (!options.dryRun) await fetchAll({ installation, report, signal }, incomplete);
  const found = findings.close();
  if (options.reinstallAll === true && !options.dryRun) {
    await execute(await prepareReinstall(installation, { report, signal }), installation, { report, signal });
  }
  return found;
}

async function fetchAll(context: ChangeContext, versions: readonly Version[]): Promise<void> {
  const silentOrigins = new Set<string>();
  let gaveUp = false;
  for (const version of versions) gaveUp = (await fetchAgain(context, version, silentOrigins)) === "given up" || gaveUp;
  if (gaveUp) await tidy(context);
}

/** `silentOrigins`: remotes that do not answer, so that each is waited for only once. */
async function fetchAgain(
  context: ChangeContext,
  version: Version,
  silentOrigins: Set<string>,
): Promise<"given up" | undefined> {
  const { installation, report, signal } = context;
  const { ref, commit, origin } = version;
  const name = `${formatRef(ref)} ${commit.slice(0, 12)}`;
  if (origin === undefined) {
    report({ type: "warning", text: `${name}: nothing says where it came from; install it again` });
    return undefined;
  }
  if (silentOrigins.has(origin.origin)) {
    report({ type: "warning", text: `${name} cannot be fetched again: ${origin.origin} does not answer` });
    return undefined;
  }
  try {
    await withCommit(ref, commit, origin, { ...context, subpaths: version.subpaths }, async (image) => {
      using _lock = await lockForChange(installation, { report, signal });
      await rebuild(installation, version, image, signal);
    });
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    if (error.code === "REGISTRY_UNREACHABLE") silentOrigins.add(origin.origin);
    if (await giveUpWithdrawn(context, version, error)) {
      const text = `${name} is given up: ${origin.origin} does not have it any more, so nothing can go back to it`;
      report({ type: "warning", text });
      return "given up";
    }
    report({ type: "warning", text: `${name} cannot be fetched again: ${error.message}` });
  }
  return undefined;
}

/** Gives up a version to go back to where its origin has withdrawn it; never what is active. Answers whether it did. */
async function giveUpWithdrawn(context: ChangeContext, version: Version, error: DowelError): Promise<boolean> {
  const { installation, report, signal } = context;
  const { ref, commit, origin, isActive } = version;
  if (isActive || origin === undefined) return false;
  if (error.code !== "REGISTRY_NOT_FOUND" && error.code !== "REF_NOT_FOUND") return false;
  try {
    const active = activeDeployment(installation, ref)?.commit;
    const others = [...(active === undefined ? [] : [`sha256:${active}`]), ref.branch];
    if (!(await isWithdrawn(installation, commit, others, origin, signal))) return false;
    return await giveUp(installation, version, { report, signal });
  } catch (failure) {
    // What does not answer now says nothing.
    if (isDowelError(failure) && failure.code !== "ABORTED") return false;
    throw failure;
  }
}
