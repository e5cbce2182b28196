// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import type { Report } from "../base/events.ts";
import { formatRef } from "../metadata/ref.ts";
import { describePlan } from "./plan.ts";
import type { FailedOperation, Plan } from "./types.ts";

/** One failure is thrown as it is, with the ref before its message; several become one error that lists them. */
export function failureOf(failed: readonly FailedOperation[], total: number): DowelError | undefined {
  const [first, second] = failed;
  if (first === undefined) return undefined;
  const lines = failed.map(({ operation, ref, error }) => `${operation} ${formatRef(ref)}: ${error.message}`);
  if (second === undefined) {
    const { code, hint } = first.error;
    return new DowelError(code, lines.join(), { ...(hint === undefined ? {} : { hint }), cause: first.error });
  }
  return new DowelError("TRANSACTION_FAILED", `${failed.length} of ${total} operations failed:\n${lines.join("\n")}`, {
    ...(failed.length < total
      ? { hint: "The others were carried out." }
      : first.error.hint
        ? { hint: first.error.hint }
        : {}),
    cause: first.error,
  });
}

/** Tells what a plan will do, unless that was told, and what it passes over. */
export function reportPlan(plan: Plan, report: Report, announced: boolean): void {
  if (!announced) report({ type: "transaction.plan", operations: describePlan(plan) });
  for (const { operation, ref, reason, newPermissions } of plan.skipped) {
    const held = newPermissions === undefined ? {} : { newPermissions };
    report({ type: "operation.skip", operation, ref: formatRef(ref), reason, ...held });
  }
}

/** Says why a plan without operations has none. Throws the failures that were known when it was made. */
export function tellIdle(plan: Plan, report: Report): void {
  reportPlan(plan, report, true);
  const failure = failureOf(plan.failed, plan.failed.length);
  if (failure !== undefined) throw failure;
}
