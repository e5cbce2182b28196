// SPDX-License-Identifier: Apache-2.0
import { helperPlan, helperSpecification } from "./helper.ts";
import { storeLayer } from "./layer.ts";
import type { Plan } from "./plan/types.ts";
import type { Host } from "./probe/host.ts";
import { RootBuilder } from "./spec/builder.ts";
import { EnvironmentBuilder } from "./spec/environment.ts";
import { addBuildEtc, findUser } from "./spec/etc.ts";
import { landlockOf } from "./spec/landlock.ts";
import { addUsrLinks } from "./spec/root.ts";

/** The program that prepares extra data, as it shows in its sandbox; it is started in the folder that it prepares. */
const extraProgram = "/app/bin/apply_extra";

export interface ExtraSandbox {
  /** What becomes `/app`, with an empty folder `extra` in it. */
  readonly app: string;
  /** What becomes `/app/extra`, the one place that can be written to. */
  readonly extra: string;
  /** Folder that holds `usr/` of the runtime; undefined where none is wanted. */
  readonly runtimeLower: string | undefined;
  readonly arch: string;
}

/**
 * A sandbox for a program of an app that prepares its extra data, maybe on behalf of root: the app, its runtime, and
 * nothing else of the machine; no network, no rights, and no `/proc`, through which it could reach what started it.
 */
export function extraPlan(host: Host, { app, extra, runtimeLower, arch }: ExtraSandbox, runFolder: string): Plan {
  const root = new RootBuilder(host);
  const environment = new EnvironmentBuilder("/app/lib");
  environment.set("HOME", "/tmp");
  environment.set("LANG", "C.UTF-8");
  if (runtimeLower !== undefined) {
    addUsrLinks(root, host, `${runtimeLower}/usr`);
    root.assume("/usr");
    addBuildEtc(root, host, `${runtimeLower}/usr`, { ...findUser(host), home: "/tmp" }, false);
  }
  root.special("dev", "/dev");
  root.tmpfs("/tmp", 0o1777);
  root.bind(app, "/app");
  root.bind(extra, "/app/extra", { access: "rw" });
  const specification = helperSpecification(root, arch, {
    lowers: [runtimeLower ?? storeLayer(runFolder, [])],
    environment: environment.result(true),
    // Programs of the other word size are common in what vendors pack.
    seccomp: { arch, devel: false, multiarch: true, bluetooth: false, canbus: false },
    cwd: "/app/extra",
    command: [extraProgram],
    landlock: landlockOf(root.mounts, { nested: false, abstractSockets: false }),
  });
  return helperPlan(specification, runFolder);
}
