// SPDX-License-Identifier: Apache-2.0
import type { PlannedOperation } from "../base/events.ts";
import { formatRef } from "../metadata/ref.ts";
import { growthOf } from "./resolve/growth.ts";
import type { Operation, Plan } from "./types.ts";

/** Puts operations and their sizes together. */
export function makePlan(
  operations: readonly Operation[],
  { skipped, failed, notes, rebases, basis }: Pick<Plan, "skipped" | "failed" | "notes" | "rebases" | "basis">,
): Plan {
  let downloadSize = 0;
  let installedSize = 0;
  for (const operation of operations) {
    if (operation.operation === "uninstall") continue;
    downloadSize += operation.image.downloadSize;
    installedSize += operation.image.installedSize;
  }
  return { operations, skipped, failed, notes, rebases, downloadSize, installedSize, basis };
}

/** What an update lets an app do that it may not do now, or what a new app may do. */
function permissionsOf(operation: Operation): Pick<PlannedOperation, "newPermissions" | "permissions"> {
  if (operation.operation === "uninstall" || operation.ref.kind !== "app") return {};
  const before = operation.operation === "update" ? operation.from.metadata : undefined;
  const added = growthOf(before, operation.image.metadata);
  if (added.length === 0) return {};
  return before === undefined ? { permissions: added } : { newPermissions: added };
}

/** A plan in the form that events carry. */
export function describePlan(plan: Plan): readonly PlannedOperation[] {
  return plan.operations.map((operation) => {
    const ref = formatRef(operation.ref);
    if (operation.operation === "uninstall") {
      return { operation: "uninstall", ref, origin: operation.deployment.origin };
    }
    const { downloadSize, installedSize } = operation.image;
    const { operation: name, origin } = operation;
    return { operation: name, ref, origin, downloadSize, installedSize, ...permissionsOf(operation) };
  });
}
