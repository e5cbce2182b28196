// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { formatRef } from "../metadata/ref.ts";
import type { Installation } from "../store/installation.ts";
import { lockForChange } from "../store/locks.ts";
import { rebuild } from "../store/repair/deployment.ts";
import { type Finding, Findings } from "../store/repair/findings.ts";
import { inspect } from "../store/repair/inspect.ts";
import type { Version } from "../store/repair/versions.ts";
import { withCommit } from "./commit.ts";
import { checkWritable } from "./places.ts";

export interface RepairOptions {
  /** Only look. */
  readonly dryRun: boolean;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether nothing is left that a user would miss; leftovers cost only space. */
export function isSound(findings: readonly Finding[]): boolean {
  return findings.every(({ what, mended }) => mended || what === "leftover");
}

/**
 * Looks through an installation and mends what is wrong with it: of the store's own parts where they allow that, else
 * by fetching again what is missing or damaged from where it came from. What cannot be fetched is reported as a warning
 * and stays unmended. Throws `NOT_PERMITTED` where the caller cannot change the installation.
 */
export async function repair(installation: Installation, options: RepairOptions): Promise<readonly Finding[]> {
  const { report = silent, signal } = options;
  checkWritable(installation);
  const findings = new Findings(!options.dryRun);
  const incomplete = await inspect(installation, findings, { report, signal });
  if (!options.dryRun) {
    for (const version of incomplete) await fetchAgain(installation, version, report, signal);
  }
  return findings.close();
}

async function fetchAgain(
  installation: Installation,
  version: Version,
  report: Report,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { ref, commit, origin } = version;
  const name = `${formatRef(ref)} ${commit.slice(0, 12)}`;
  if (origin === undefined) {
    report({ type: "warning", text: `${name}: nothing says where it came from; install it again` });
    return;
  }
  try {
    await withCommit(ref, commit, origin, { installation, report, signal }, async (image) => {
      using _lock = await lockForChange(installation, { report, signal });
      await rebuild(installation, version, image, signal);
    });
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
    report({ type: "warning", text: `${name} cannot be fetched again: ${error.message}` });
  }
}
