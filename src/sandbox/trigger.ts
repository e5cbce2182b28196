// SPDX-License-Identifier: Apache-2.0
import { storeLayer } from "./layer.ts";
import type { Plan } from "./plan/types.ts";
import { planFromSpecification } from "./plan-from-spec.ts";
import type { Host } from "./probe/host.ts";
import { RootBuilder } from "./spec/builder.ts";
import { noBuses } from "./spec/buses.ts";
import { addBase } from "./spec/root.ts";
import type { Specification } from "./spec/types.ts";

/** Where an installation shows in the sandbox. */
export const triggerRoot = "/run/installation";

/**
 * A sandbox in which a program of the host brings a database up to date with what apps export: the host's `/usr`, the
 * deployments read-only, `exports` writable, no network, and nothing else. The files that it reads come from apps.
 */
export function triggerPlan(
  host: Host,
  installation: { readonly apps: string; readonly exports: string },
  command: readonly string[],
  arch: string,
  runFolder: string,
): Plan {
  const root = new RootBuilder(host);
  addBase(root, host, "/usr", host.identity.uid);
  root.bind("/usr", "/usr");
  root.bind("/etc/ld.so.cache", "/etc/ld.so.cache", { type: "file", optional: true });
  root.special("dev", "/dev");
  root.bind(installation.apps, `${triggerRoot}/app`);
  root.bind(installation.exports, `${triggerRoot}/exports`, { access: "rw" });
  const specification: Specification = {
    identity: { id: "", ref: "", commit: "", runtime: "" },
    // The root has nothing but its own layer; a root needs one folder more.
    lowers: [storeLayer(runFolder, [])],
    layer: root.layer,
    mounts: root.mounts,
    data: [],
    points: [],
    create: [],
    sharedFolder: undefined,
    dataFolder: undefined,
    environment: { clear: true, set: { PATH: "/usr/bin:/usr/sbin", LANG: "C.UTF-8" }, unset: [] },
    seccomp: { arch, devel: false, multiarch: false, bluetooth: false, canbus: false },
    shared: { network: false, ipc: false },
    buses: noBuses,
    parent: undefined,
    instanceIdFd: undefined,
    cwd: "/",
    command,
    dieWithParent: true,
  };
  const layer = storeLayer(runFolder, specification.layer);
  return planFromSpecification(specification, { layer, key: [], record: [] });
}
