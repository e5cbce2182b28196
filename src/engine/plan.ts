// SPDX-License-Identifier: Apache-2.0
import type { PlannedOperation } from "../base/events.ts";
import { formatRef } from "../metadata/ref.ts";
import type { FailedOperation, Operation, Plan, SkippedOperation } from "./types.ts";

/** Why most updates are passed over. */
export const upToDate = "it is up to date";

/** Puts operations and their sizes together. */
export function makePlan(
  operations: readonly Operation[],
  skipped: readonly SkippedOperation[],
  failed: readonly FailedOperation[] = [],
): Plan {
  let downloadSize = 0;
  let installedSize = 0;
  for (const operation of operations) {
    if (operation.operation === "uninstall") continue;
    downloadSize += operation.image.downloadSize;
    installedSize += operation.image.installedSize;
  }
  return { operations, skipped, failed, downloadSize, installedSize };
}

/** A plan in the form that events carry. */
export function describePlan(plan: Plan): readonly PlannedOperation[] {
  return plan.operations.map((operation) => {
    const ref = formatRef(operation.ref);
    if (operation.operation === "uninstall") {
      return { operation: "uninstall", ref, origin: operation.deployment.origin };
    }
    const { downloadSize, installedSize } = operation.image;
    return { operation: operation.operation, ref, origin: operation.origin, downloadSize, installedSize };
  });
}
