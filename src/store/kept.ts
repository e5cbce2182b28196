// SPDX-License-Identifier: Apache-2.0
import { formatRef, type Ref } from "../metadata/ref.ts";
import { tryRead } from "./deployments.ts";
import type { Installation } from "./installation.ts";
import type { JournalFacts } from "./journal.ts";
import { keptVersions } from "./settings.ts";

/**
 * The versions that must be there beside the active one, the one before first: those that stayed at the last change, as the
 * journal says, where anything is to be kept at all. None where the journal does not know of the active one: what was
 * removed on purpose must not come again.
 */
export function versionsToKeep(
  installation: Pick<Installation, "path">,
  journal: JournalFacts,
  ref: Ref,
  active: string,
): readonly string[] {
  const noted = journal.kept.get(formatRef(ref));
  if (noted === undefined || noted.active !== active) return [];
  return (tryRead(() => keptVersions(installation)) ?? 0) > 0 ? noted.kept : [];
}
