// SPDX-License-Identifier: Apache-2.0
import { canMakeGroups, joinScope } from "../../instances/scope.ts";
import { sessionFolder } from "../../sandbox/run-folder.ts";
import type { Specification } from "../../sandbox/spec/types.ts";

/**
 * Takes this process, which becomes the launcher, to where it may make a control group: a scope of the user's systemd,
 * where it cannot where it is. Where that fails, too, the launcher says so if the sandbox needs one.
 */
export async function findPlaceForGroup(
  { cgroup, identity }: Pick<Specification, "cgroup" | "identity">,
  signal?: AbortSignal,
): Promise<void> {
  const session = sessionFolder(process.geteuid?.() ?? 0);
  if (cgroup?.mount === undefined || session === undefined || canMakeGroups(cgroup.mount)) return;
  await joinScope(session, identity.id, signal);
}
