// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type DowelError, isDowelError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { listRemotes } from "../remotes/config.ts";
import { checkPolicy } from "../remotes/trust/policyfile.ts";
import { tryRead } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { readJournal } from "../store/journal.ts";
import type { Findings } from "../store/repair/findings.ts";

/**
 * Finds files of settings that cannot be read, and remotes that got lost with theirs. Nothing else says what was in them,
 * and what they say decides whose images are trusted, so none is made anew: a person must.
 */
export function checkSettings(installation: Installation, findings: Findings): void {
  const remotes = join(installation.path, "remotes.conf");
  const damage = failureOf(() => listRemotes(installation));
  if (damage !== undefined) {
    const known = remotesOfJournal(installation);
    const again = known.length === 0 ? "" : `; the remotes were ${known.join(", ")}`;
    const advice = "mend it by hand, or delete it and add the remotes again";
    findings.add("settings", "damaged", remotes, `${damage.message}; ${advice}${again}`);
  } else if (!existsSync(remotes)) {
    const known = remotesOfJournal(installation);
    if (known.length > 0) findings.add("settings", "missing", remotes, `add the remotes again: ${known.join(", ")}`);
  }
  const wrong = failureOf(() => checkPolicy(installation));
  if (wrong === undefined) return;
  const advice = "nothing is fetched until it is mended by hand";
  findings.add("settings", "damaged", join(installation.path, "policy.json"), `${wrong.message}; ${advice}`);
}

function failureOf(read: () => void): DowelError | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (isDowelError(error)) return error;
    throw error;
  }
}

/** The remotes that there were by the journal, as the words that add them. */
function remotesOfJournal(installation: Installation): readonly string[] {
  const urls = new Map<string, string>();
  tryRead(() => {
    for (const { change, remote, url } of readJournal(installation, 2 * limits.historyBytes)) {
      if (change === "add remote" || change === "modify remote") urls.set(remote, url);
      else if (change === "remove remote") urls.delete(remote);
    }
  });
  return [...urls].map(([name, url]) => `${name} ${url}`);
}
