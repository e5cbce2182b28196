// SPDX-License-Identifier: Apache-2.0

import { helperPlan, helperSpecification } from "./helper.ts";
import type { Plan } from "./plan/types.ts";
import type { Host } from "./probe/host.ts";
import { RecordingHost } from "./probe/recording.ts";
import { runFolder } from "./run-folder.ts";
import { RootBuilder } from "./spec/builder.ts";
import { EnvironmentBuilder } from "./spec/environment.ts";
import { addBuildEtc, findUser } from "./spec/etc.ts";
import type { Extensions } from "./spec/extensions.ts";
import { addBuildExtensions } from "./spec/extensions-mount.ts";
import { addBase } from "./spec/root.ts";
import type { Specification } from "./spec/types.ts";

/** A sandbox for one build command. All host paths are absolute. */
export interface BuildSandbox {
  /** Overlay folder of the Sdk: holds `usr/`. */
  readonly sdkLower: string;
  /** Overlay folder of the app whose extension is built: holds `app/`. */
  readonly appLower: string | undefined;
  readonly arch: string;
  /** Folder for what is built, writable, and where it shows; by the name `app` where that is `/app`. */
  readonly appFolder: string;
  readonly target: string;
  readonly extensions: Extensions;
  /** Folder with the module's sources, writable, and where it shows: `/run/build/NAME`. */
  readonly source: { readonly folder: string; readonly target: string } | undefined;
  /** Further binds, such as a compiler cache. */
  readonly binds: readonly { readonly source: string; readonly target: string; readonly readOnly: boolean }[];
  readonly environment: ReadonlyMap<string, string>;
  readonly network: boolean;
  /** Folder that the command starts in, inside the sandbox. */
  readonly cwd: string;
  readonly command: readonly string[];
}

/** The sandbox of a build command as a plain value: the Sdk as `/usr`, `/app` writable, no home and nothing else of the host. */
export function specifyBuild(build: BuildSandbox, host: Host): Specification {
  const root = new RootBuilder(host);
  const environment = new EnvironmentBuilder("/app/lib");
  const user = findUser(host);
  const home = "/run/build-home";
  // A runtime that is built is itself the /usr of its build.
  const usr = build.target === "/usr" ? build.appFolder : `${build.sdkLower}/usr`;
  addBase(root, host, usr, user.uid);
  root.assume("/usr");
  addBuildEtc(root, host, usr, { ...user, home }, build.network);
  root.special("dev", "/dev");
  root.tmpfs("/var/tmp", 0o1777);
  root.tmpfs(home, 0o700);
  if (build.appLower !== undefined) root.assume("/app");
  if (build.target === "/app") root.bind(build.appFolder, "/app", { access: "rw" });
  addBuildExtensions(root, host, build);
  if (build.target !== "/app") root.bind(build.appFolder, build.target, { access: "rw" });
  if (build.source !== undefined) root.bind(build.source.folder, build.source.target, { access: "rw" });
  for (const { source, target, readOnly } of build.binds) root.bind(source, target, { access: readOnly ? "ro" : "rw" });
  environment.set("HOME", home);
  environment.set("USER", user.name);
  environment.set("LOGNAME", user.name);
  environment.set("LANG", "C.UTF-8");
  environment.set("container", "flatpak");
  for (const [name, value] of build.environment) environment.set(name, value);
  return helperSpecification(root, build.arch, {
    lowers: build.appLower === undefined ? [build.sdkLower] : [build.appLower, build.sdkLower],
    environment: environment.result(true),
    seccomp: { arch: build.arch, devel: true, multiarch: true, bluetooth: false, canbus: false },
    shared: { network: build.network, ipc: false },
    cwd: build.cwd,
    command: build.command,
  });
}

/** A plan for one build command; writes its configuration layer into the caller's run folder. */
export function buildPlan(build: BuildSandbox): Plan {
  const specification = specifyBuild(build, new RecordingHost());
  return helperPlan(specification, runFolder());
}
