// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import type { PlannedOperation } from "../base/events.ts";
import { parseMetadata } from "../metadata/metadata.ts";
import { addedPermissions } from "../metadata/permissions/growth.ts";
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

/** What an update lets an app do that it may not do now; nothing where one of the versions cannot be read. */
function newPermissions(operation: Operation): Pick<PlannedOperation, "newPermissions"> {
  if (operation.operation !== "update") return {};
  try {
    const [before, after] = [operation.from.metadata, operation.image.metadata].map((text) => parseMetadata(text));
    if (before === undefined || after === undefined) return {};
    const added = addedPermissions(before.permissions, after.permissions);
    return added.length === 0 ? {} : { newPermissions: added };
  } catch (error) {
    if (isDowelError(error)) return {};
    throw error;
  }
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
    return { operation: name, ref, origin, downloadSize, installedSize, ...newPermissions(operation) };
  });
}
