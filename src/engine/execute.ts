// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { formatRef } from "../metadata/ref.ts";
import type { ImagePlace } from "../remotes/types.ts";
import type { Installation } from "../store/installation.ts";
import { pinObjects } from "../store/locks.ts";
import { keepPulled } from "../store/pulled.ts";
import { mayContinue } from "../store/transfer/context.ts";
import type { Deployment } from "../store/types.ts";
import type { MeasuredImage } from "./cost.ts";
import { Downloads } from "./downloads.ts";
import { deployOperation, type FetchContext, type FetchOperation, importOperation } from "./fetch.ts";
import { makeRemotes } from "./newremotes.ts";
import { failureOf, reportPlan } from "./outcome.ts";
import { checkWritable } from "./places.ts";
import { removeOperation, tidy } from "./remove.ts";
import type { FailedOperation, Operation, Plan } from "./types.ts";

export interface ExecuteOptions {
  /** Fetch, but leave what is installed as it is. */
  readonly noDeploy?: boolean | undefined;
  /** Fetch nothing: deploy what was fetched before. */
  readonly noPull?: boolean | undefined;
  /** Layouts that have images, by the commit. */
  readonly sideloads?: ReadonlyMap<string, ImagePlace> | undefined;
  /** Manifests and configs that are here already, by the commit. */
  readonly loaded?: ReadonlyMap<string, MeasuredImage> | undefined;
  /** The plan has been reported already. */
  readonly announced?: boolean | undefined;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How many versions stay beside a new one, where that is not for the installation to say. */
  readonly keepVersions?: number | undefined;
  /** Whose parental controls count, where that is not this process's user. */
  readonly forUser?: number | undefined;
}

/** What a transaction did. */
export interface TransactionResult {
  readonly installed: readonly Deployment[];
  readonly updated: readonly Deployment[];
  readonly uninstalled: readonly Deployment[];
}

interface Work {
  readonly context: FetchContext;
  readonly noDeploy: boolean;
  readonly installed: Deployment[];
  readonly updated: Deployment[];
  readonly uninstalled: Deployment[];
  readonly failed: FailedOperation[];
}

async function runFetch(operation: FetchOperation, work: Work, downloads: Downloads): Promise<string> {
  const { context, noDeploy } = work;
  const image = await downloads.take(operation);
  checkCancelled(context.signal);
  if (noDeploy) {
    keepPulled(context.installation, image.commit);
    return image.commit;
  }
  const deployment = await deployOperation(operation, image, context);
  work[operation.operation === "install" ? "installed" : "updated"].push(deployment);
  return deployment.commit;
}

async function runOperation(operation: Operation, work: Work, downloads: Downloads): Promise<void> {
  const { report } = work.context;
  const ref = formatRef(operation.ref);
  report({ type: "operation.start", operation: operation.operation, ref });
  if (operation.operation !== "uninstall") {
    const commit = await runFetch(operation, work, downloads);
    report({ type: "operation.done", operation: operation.operation, ref, commit });
    return;
  }
  await removeOperation(operation, work.context);
  work.uninstalled.push(operation.deployment);
  report({ type: "operation.done", operation: operation.operation, ref });
}

/** An operation that failed: of those that nobody asked for, a warning is enough. */
function noteFailure(operation: Operation, error: unknown, work: Work): void {
  if (!isDowelError(error) || error.code === "ABORTED") throw error;
  const { ref } = operation;
  if (operation.operation !== "uninstall" && operation.optional) {
    work.context.report({ type: "warning", text: `${operation.operation} ${formatRef(ref)}: ${error.message}` });
  } else work.failed.push({ operation: operation.operation, ref, error });
}

/** All operations in their order; those that need one that failed are passed over. */
async function runAll(operations: readonly Operation[], work: Work): Promise<void> {
  const { context } = work;
  const fetches = operations.filter((operation) => operation.operation !== "uninstall");
  const layersOf = ({ image }: FetchOperation): readonly string[] =>
    context.loaded.get(image.commit)?.manifest.layers.map(({ digest }) => digest) ?? [];
  const undone = new Set<string>();
  using _pin = fetches.length === 0 ? undefined : await pinObjects(context.installation, context);
  await using _remotes = await makeRemotes(fetches, context);
  await using downloads = new Downloads(fetches, (operation) => importOperation(operation, context), layersOf);
  for (const operation of operations) {
    checkCancelled(context.signal);
    const ref = formatRef(operation.ref);
    const blocker = operation.needs.find((need) => undone.has(need));
    if (blocker !== undefined) {
      undone.add(ref);
      if (operation.operation !== "uninstall") downloads.drop(operation);
      context.report({ type: "operation.skip", operation: operation.operation, ref, reason: `${blocker} failed` });
      continue;
    }
    try {
      await runOperation(operation, work, downloads);
    } catch (error) {
      undone.add(ref);
      noteFailure(operation, error, work);
    }
  }
}

/**
 * Carries out a plan. Images are fetched ahead, several at a time; deployments change one after the other, in the order of
 * the plan. A failure leaves what was there before and does not keep the other operations from being done, except those
 * that need it; all failures are thrown together at the end. After a cancellation or a crash the same command continues
 * where this one stopped.
 */
export async function execute(
  plan: Plan,
  installation: Installation,
  options: ExecuteOptions = {},
): Promise<TransactionResult> {
  const { report = silent, signal, keepVersions, forUser, noPull = false, noDeploy = false } = options;
  const { sideloads = new Map(), loaded = new Map() } = options;
  if (plan.operations.length > 0) checkWritable(installation);
  const context = { installation, report, signal, noPull, sideloads, loaded, keepVersions, forUser };
  const work: Work = { context, noDeploy, installed: [], updated: [], uninstalled: [], failed: [...plan.failed] };
  reportPlan(plan, report, options.announced ?? false);
  const isDone = ({ operation }: Operation): boolean => noDeploy && operation === "uninstall";
  await runAll(
    plan.operations.filter((operation) => !isDone(operation)),
    work,
  );
  const { installed, updated, uninstalled, failed } = work;
  const refused = failed.filter(({ error }) => !mayContinue(error));
  if (
    uninstalled.length + updated.length + refused.length > 0 ||
    installed.some(({ subpaths }) => subpaths !== undefined)
  )
    await tidy(context);
  const apps = [...installed, ...updated, ...uninstalled].filter(({ ref }) => ref.kind === "app");
  if (apps.length > 0) {
    const { updateDatabases } = await import("./triggers.ts");
    await updateDatabases(context, apps);
  }
  const failure = failureOf(failed, plan.operations.length + plan.failed.length);
  if (failure !== undefined) throw failure;
  return { installed, updated, uninstalled };
}
