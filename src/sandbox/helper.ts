// SPDX-License-Identifier: Apache-2.0
import { storeLayer } from "./layer.ts";
import type { Plan } from "./plan/types.ts";
import { planFromSpecification } from "./plan-from-spec.ts";
import type { RootBuilder } from "./spec/builder.ts";
import { noBuses } from "./spec/buses.ts";
import type { Specification } from "./spec/types.ts";

type Own = Pick<Specification, "lowers" | "environment" | "command"> & Partial<Specification>;

/**
 * The sandbox of a helper: a program that works on files and ends with who started it. No app's identity and data, no
 * network, no buses and the strictest filter, but for what `own` says.
 */
export function helperSpecification(root: RootBuilder, arch: string, own: Own): Specification {
  return {
    identity: { id: "", ref: "", commit: "", runtime: "" },
    layer: root.layer,
    mounts: root.mounts,
    data: [],
    points: [],
    create: [],
    sharedFolder: undefined,
    dataFolder: undefined,
    seccomp: { arch, devel: false, multiarch: false, bluetooth: false, canbus: false },
    shared: { network: false, ipc: false },
    buses: noBuses,
    parent: undefined,
    instanceIdFd: undefined,
    cwd: "/",
    dieWithParent: true,
    ...own,
  };
}

/** The plan of a helper's start; writes its configuration layer into a run folder. */
export function helperPlan(specification: Specification, runFolder: string): Plan {
  const layer = storeLayer(runFolder, specification.layer);
  return planFromSpecification(specification, { layer, key: [], record: [] });
}
