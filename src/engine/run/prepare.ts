// SPDX-License-Identifier: Apache-2.0

import { sweepInstances } from "../../instances/end.ts";
import { instanceFolders } from "../../instances/list.ts";
import { storeLayer } from "../../sandbox/layer.ts";
import { encodePlan, type Plan, planCacheName } from "../../sandbox/plan/index.ts";
import { planFromSpecification } from "../../sandbox/plan-from-spec.ts";
import { RecordingHost } from "../../sandbox/probe/recording.ts";
import { runFolder } from "../../sandbox/run-folder.ts";
import type { Specification } from "../../sandbox/spec/types.ts";
import { keepPlan, sweep } from "./cache.ts";
import { type DescribeContext, describeRun, type RunRequest } from "./describe.ts";
import { instancesFolder } from "./instances.ts";
import { ensureSession } from "./session.ts";

export interface PreparedRun {
  readonly specification: Specification;
  readonly plan: Plan;
  readonly bytes: Uint8Array;
  /** Where the plan is kept for warm starts. */
  readonly cachePath: string | undefined;
}

/**
 * Prepares the start of an app, or of a command in a runtime. `words` are those from the verb to the name of the app,
 * as typed: a later start with the same words takes the same plan without coming here. Throws `NOT_INSTALLED`,
 * `RUNTIME_NOT_FOUND`, `HOST_PATH_UNSAFE` and what reading metadata throws.
 */
export async function prepareRun(
  request: RunRequest,
  words: readonly string[],
  { show, signal }: Pick<DescribeContext, "show" | "signal"> = {},
): Promise<PreparedRun> {
  const host = new RecordingHost();
  const folder = runFolder();
  const specification = await describeRun({ host, runFolder: folder, makes: true, show, signal }, request);
  if (specification.session !== undefined) await ensureSession(specification.session.socket, signal);
  const layer = storeLayer(folder, specification.layer);
  host.lookAt(layer);
  const plan = planFromSpecification(specification, {
    layer,
    key: words,
    record: host.record,
    startedBy: request.startedBy,
  });
  const bytes = encodePlan(plan);
  if (words.length === 0) return { specification, plan, bytes, cachePath: undefined };
  const cachePath = keepPlan(folder, planCacheName(words), bytes);
  sweep(folder);
  sweepInstances(instanceFolders(instancesFolder()));
  return { specification, plan, bytes, cachePath };
}
