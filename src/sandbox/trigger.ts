// SPDX-License-Identifier: Apache-2.0
import { helperPlan, helperSpecification } from "./helper.ts";
import { storeLayer } from "./layer.ts";
import type { Plan } from "./plan/types.ts";
import type { Host } from "./probe/host.ts";
import { RootBuilder } from "./spec/builder.ts";
import { addBase } from "./spec/root.ts";

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
  const specification = helperSpecification(root, arch, {
    // The root has nothing but its own layer; a root needs one folder more.
    lowers: [storeLayer(runFolder, [])],
    environment: { clear: true, set: { PATH: "/usr/bin:/usr/sbin", LANG: "C.UTF-8" }, unset: [] },
    command,
  });
  return helperPlan(specification, runFolder);
}
