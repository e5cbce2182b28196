// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, DowelError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { formatRef } from "../metadata/ref.ts";
import type { Installation } from "../store/installation.ts";
import { mayContinue } from "../store/transfer/context.ts";
import type { Deployment } from "../store/types.ts";
import { type ChangeContext, fetchOperation } from "./fetch.ts";
import { checkWritable } from "./places.ts";
import { describePlan } from "./plan.ts";
import { removeOperation, tidy } from "./remove.ts";
import type { FailedOperation, Operation, Plan } from "./types.ts";

export interface ExecuteOptions {
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How many versions stay beside a new one, where that is not for the installation to say. */
  readonly keepVersions?: number | undefined;
}

/** What a transaction did. */
export interface TransactionResult {
  readonly installed: readonly Deployment[];
  readonly updated: readonly Deployment[];
  readonly uninstalled: readonly Deployment[];
}

interface Progress {
  readonly installed: Deployment[];
  readonly updated: Deployment[];
  readonly uninstalled: Deployment[];
  readonly failed: FailedOperation[];
}

async function runOperation(operation: Operation, context: ChangeContext, progress: Progress): Promise<void> {
  const { report } = context;
  const ref = formatRef(operation.ref);
  report({ type: "operation.start", operation: operation.operation, ref });
  if (operation.operation === "uninstall") {
    await removeOperation(operation, context);
    progress.uninstalled.push(operation.deployment);
    report({ type: "operation.done", operation: operation.operation, ref });
    return;
  }
  const deployment = await fetchOperation(operation, context);
  progress[operation.operation === "install" ? "installed" : "updated"].push(deployment);
  report({ type: "operation.done", operation: operation.operation, ref, commit: deployment.commit });
}

/** Operations that need one that failed are passed over. */
function blockerOf(operation: Operation, failed: readonly FailedOperation[]): string | undefined {
  if (operation.operation === "uninstall") return undefined;
  return operation.needs.find((need) => failed.some(({ ref }) => formatRef(ref) === need));
}

/** One failure is thrown as it is, with the ref before its message; several become one error that lists them. */
function failureOf(failed: readonly FailedOperation[], total: number): DowelError | undefined {
  const [first, second] = failed;
  if (first === undefined) return undefined;
  const lines = failed.map(({ operation, ref, error }) => `${operation} ${formatRef(ref)}: ${error.message}`);
  if (second === undefined) {
    const { code, hint } = first.error;
    return new DowelError(code, lines.join(), { ...(hint === undefined ? {} : { hint }), cause: first.error });
  }
  return new DowelError("TRANSACTION_FAILED", `${failed.length} of ${total} operations failed:\n${lines.join("\n")}`, {
    hint: "The others were carried out.",
    cause: first.error,
  });
}

/**
 * Carries out a plan, one operation after the other. A failure leaves what was there before and does not keep the
 * other operations from being done, except those that need it; all failures are thrown together at the end. After
 * a cancellation or a crash the same command continues where this one stopped.
 */
export async function execute(
  plan: Plan,
  installation: Installation,
  options: ExecuteOptions = {},
): Promise<TransactionResult> {
  const { report = silent, signal, keepVersions } = options;
  const context = { installation, report, signal, keepVersions };
  const progress: Progress = { installed: [], updated: [], uninstalled: [], failed: [...plan.failed] };
  if (plan.operations.length > 0) checkWritable(installation);
  report({ type: "transaction.plan", operations: describePlan(plan) });
  for (const { operation, ref, reason } of plan.skipped) {
    report({ type: "operation.skip", operation, ref: formatRef(ref), reason });
  }
  for (const operation of plan.operations) {
    checkCancelled(signal);
    const blocker = blockerOf(operation, progress.failed);
    if (blocker !== undefined) {
      const ref = formatRef(operation.ref);
      report({ type: "operation.skip", operation: operation.operation, ref, reason: `${blocker} failed` });
      continue;
    }
    try {
      await runOperation(operation, context, progress);
    } catch (error) {
      if (!isDowelError(error) || error.code === "ABORTED") throw error;
      progress.failed.push({ operation: operation.operation, ref: operation.ref, error });
    }
  }
  const refused = progress.failed.filter(({ error }) => !mayContinue(error));
  if (progress.uninstalled.length + progress.updated.length + refused.length > 0) await tidy(context);
  const failure = failureOf(progress.failed, plan.operations.length + plan.failed.length);
  if (failure !== undefined) throw failure;
  const { installed, updated, uninstalled } = progress;
  return { installed, updated, uninstalled };
}
