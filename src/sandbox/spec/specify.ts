// SPDX-License-Identifier: Apache-2.0
import { onlyHarmless } from "../../metadata/permissions/flatten.ts";
import { isGranted } from "../../metadata/permissions/grant.ts";
import { mergePermissions } from "../../metadata/permissions/merge.ts";
import { noPermissions, type Permissions } from "../../metadata/permissions/model.ts";
import { dataName } from "../../metadata/profile.ts";
import { formatRef } from "../../metadata/ref.ts";
import type { Host } from "../probe/host.ts";
import { RootBuilder } from "./builder.ts";
import { addBuses } from "./bus-sockets.ts";
import { describeBuses } from "./buses.ts";
import { findWaylandSocket, hostConditions } from "./conditions.ts";
import { addDevices } from "./devices.ts";
import { addAppVariables, EnvironmentBuilder } from "./environment.ts";
import { addEtc, findUser } from "./etc.ts";
import { addAllExtensions, libraryPathOf } from "./extensions-mount.ts";
import { findExports } from "./filesystems.ts";
import { addDataNames, addHome, dataEntries, dataFolderOf, findHome, type HomeInput, userDirsText } from "./home.ts";
import { addHostData, addSystemSockets } from "./host-data.ts";
import { flattenPermissions } from "./info.ts";
import { addInstance, describeCgroup, nestedBounds } from "./instance.ts";
import { landlockOf } from "./landlock.ts";
import { addLinkerCache } from "./linker.ts";
import { addLiveNetworkFiles, addTrust } from "./live.ts";
import { addAppFolder, addBase, addUsrFolder } from "./root.ts";
import { addSessionFolders, sharedFolderOf } from "./shared.ts";
import { addSockets } from "./sockets.ts";
import type { Specification, SpecificationInput } from "./types.ts";

/** The layers of permissions, lowest first; a runtime gives variables only. */
function effectivePermissions({ app, runtime, overrides, options }: SpecificationInput): Permissions {
  const fromRuntime = { ...noPermissions, environment: runtime.metadata.permissions.environment };
  const layers = [app?.metadata.permissions ?? noPermissions, overrides];
  const installed = layers.reduce(mergePermissions, fromRuntime);
  return mergePermissions(options.sandboxed ? onlyHarmless(installed) : installed, options.permissions);
}

/** A display or a bus of the host can be behind an abstract socket, which belongs to the network. */
function reachesAbstractSockets(granted: (list: "shared" | "sockets") => (name: string) => boolean): boolean {
  const sockets = ["x11", "fallback-x11", "session-bus", "system-bus"];
  return granted("shared")("network") && sockets.some(granted("sockets"));
}

/**
 * Turns what an app is, what it may and what the host has into a description of its sandbox. Has no side effect; all
 * it learns about the machine comes from `host`.
 */
export function specify(input: SpecificationInput, host: Host): Specification {
  const { app, runtime, options, linkerCache } = input;
  const conditions = hostConditions(host);
  const permissions = flattenPermissions(effectivePermissions(input), conditions);
  const granted = (list: "shared" | "sockets" | "devices" | "features") => (name: string) =>
    isGranted(permissions[list], name, conditions);
  const feature = granted("features");
  const devel = options.devel || feature("devel");
  const nested = feature("userns");
  const user = findUser(host);
  const home = findHome(host, user);
  const shared = sharedFolderOf(input);
  const ownName = app === undefined || options.sandboxed ? undefined : dataName(app.ref.id, options.profile);
  const dataFolder = ownName === undefined ? undefined : dataFolderOf(home.path, ownName);
  const exports = findExports(host, user.home, permissions, input.runFolder);
  const homeInput: HomeInput = {
    home: home.path,
    exports,
    userDirs: userDirsText(host, user.home, exports),
    dataFolder,
    permissions,
    hidden: [...input.hidden, input.runFolder],
  };

  const root = new RootBuilder(host);
  const usr = options.usr?.path ?? `${runtime.lower}/usr`;
  addBase(root, host, usr, user.uid, shared);
  addUsrFolder(root, host, runtime, options.usr);
  addAppFolder(root, app, options.app);
  const extensions = addAllExtensions(root, host, input, options);
  const environment = new EnvironmentBuilder(linkerCache === undefined ? libraryPathOf(app, extensions) : undefined);
  if (app !== undefined && linkerCache !== undefined) addLinkerCache(root, app.ref.arch, linkerCache);
  addEtc(root, host, usr, user);
  addLiveNetworkFiles(root, host, input.session);
  addTrust(root, host, input.session);
  addDevices(root, host, {
    granted: granted("devices"),
    sound: granted("sockets")("pulseaudio"),
    shared: feature("per-app-dev-shm") ? shared : undefined,
  });
  addHostData(root, host, homeInput.home);
  addSystemSockets(root, host, input.session, granted("shared")("network"));
  const instance = addInstance(root, { ...input, extensions }, permissions, {
    uid: user.uid,
    dataFolder,
    devel,
    sandbox: options.sandboxed,
  });
  addSessionFolders(root, host, input);
  addHome(root, host, homeInput);
  if (app !== undefined && ownName !== undefined) {
    addDataNames(root, home.path, ownName, [app.ref.id, ...input.previousIds]);
  }
  for (const link of home.links) root.symlink(link.path, link.to);
  const hasWayland = findWaylandSocket(host) !== undefined;
  for (const { path, type, access } of options.binds) root.bind(path, path, { access, type, distrusted: true });
  const sockets = { root, host, environment, home: home.path, granted: granted("sockets") };
  addSockets(sockets, hasWayland);
  const buses = describeBuses({
    id: app?.ref.id,
    sandboxed: options.sandboxed,
    permissions,
    granted: granted("sockets"),
    options: options.buses,
  });
  const session = addBuses(sockets, buses, input.runFolder);

  environment.apply(permissions);
  if (app !== undefined) addAppVariables(environment, host, app.ref.id, dataFolder);
  environment.set("HOME", user.home);
  environment.set("container", "flatpak");
  environment.set("XDG_RUNTIME_DIR", `/run/user/${user.uid}`);

  const main = app ?? runtime;
  return {
    identity: { id: main.ref.id, ref: formatRef(main.ref), commit: main.commit, runtime: formatRef(runtime.ref) },
    lowers: app === undefined || options.app !== undefined ? [runtime.lower] : [app.lower, runtime.lower],
    layer: root.layer,
    mounts: root.mounts,
    data: dataEntries(homeInput),
    points: root.points,
    create: homeInput.exports.missing,
    sharedFolder: shared,
    dataFolder,
    environment: environment.result(options.clearEnvironment),
    seccomp: {
      arch: main.ref.arch,
      devel,
      multiarch: feature("multiarch"),
      bluetooth: feature("bluetooth"),
      canbus: feature("canbus"),
      userns: nested,
    },
    shared: { network: granted("shared")("network"), ipc: granted("shared")("ipc") },
    buses,
    session,
    parent: options.parent,
    instanceIdFd: options.instanceIdFd,
    cwd: options.cwd,
    command: [options.command ?? app?.metadata.command ?? (app === undefined ? "/bin/bash" : "/bin/sh")],
    dieWithParent: options.dieWithParent,
    instance,
    cgroup: describeCgroup(host, input, permissions),
    landlock: landlockOf(root.mounts, { nested, abstractSockets: reachesAbstractSockets(granted) }),
    nested: nested ? nestedBounds : undefined,
  };
}
