// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { type RepairFinding, type Report, silent } from "../base/events.ts";
import { formatRef } from "../metadata/ref.ts";
import type { Installation } from "../store/installation.ts";
import { lockForChange } from "../store/locks.ts";
import { rebuild } from "../store/repair/deployment.ts";
import { type Finding, Findings } from "../store/repair/findings.ts";
import { inspect } from "../store/repair/inspect.ts";
import type { Version } from "../store/repair/versions.ts";
import { withCommit } from "./commit.ts";
import { execute } from "./execute.ts";
import type { ChangeContext } from "./fetch.ts";
import { checkWritable } from "./places.ts";
import { prepareReinstall } from "./reinstall.ts";
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
  if (!options.dryRun) {
    const silentOrigins = new Set<string>();
    for (const version of incomplete) await fetchAgain({ installation, report, signal }, version, silentOrigins);
  }
  const found = findings.close();
  if (options.reinstallAll === true && !options.dryRun) {
    await execute(await prepareReinstall(installation, { report, signal }), installation, { report, signal });
  }
  return found;
}

/** `silentOrigins`: remotes that do not answer, so that each is waited for only once. */
async function fetchAgain(context: ChangeContext, version: Version, silentOrigins: Set<string>): Promise<void> {
  const { installation, report, signal } = context;
  const { ref, commit, origin } = version;
  const name = `${formatRef(ref)} ${commit.slice(0, 12)}`;
  if (origin === undefined) {
    report({ type: "warning", text: `${name}: nothing says where it came from; install it again` });
    return;
  }
  if (silentOrigins.has(origin.origin)) {
    report({ type: "warning", text: `${name} cannot be fetched again: ${origin.origin} does not answer` });
    return;
  }
  try {
    await withCommit(ref, commit, origin, { ...context, subpaths: version.deployment?.subpaths }, async (image) => {
      using _lock = await lockForChange(installation, { report, signal });
      await rebuild(installation, version, image, signal);
    });
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    if (error.code === "REGISTRY_UNREACHABLE") silentOrigins.add(origin.origin);
    report({ type: "warning", text: `${name} cannot be fetched again: ${error.message}` });
  }
}
