// SPDX-License-Identifier: Apache-2.0

/** Plans: what the launcher carries out, and the bytes in which it gets them. */
export { encodePlan } from "./encode.ts";
export { planCacheName } from "./name.ts";
export type {
  CgroupPlan,
  InstancePlan,
  LandlockPlan,
  MountOperation,
  NamespaceBounds,
  Observation,
  Plan,
} from "./types.ts";
