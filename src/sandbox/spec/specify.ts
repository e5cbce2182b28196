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
import { addDocuments } from "./documents.ts";
import { addAppVariables, EnvironmentBuilder } from "./environment.ts";
import { addEtc, findUser } from "./etc.ts";
import { addAllExtensions, libraryPathOf } from "./extensions-mount.ts";
import { findExports } from "./filesystems.ts";
import { addDataNames, addHome, dataEntries, dataFolderOf, findHome, type HomeInput, userDirsText } from "./home.ts";
import { addHostData, addSystemSockets } from "./host-data.ts";
import { flattenPermissions } from "./info.ts";
import { addInstance, describeCgroup, nestedBounds } from "./instance.ts";
import { landlockOf } from "./landlock.ts";
import { addLibrary } from "./library.ts";
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

type GrantList = "shared" | "sockets" | "devices" | "features";
type User = ReturnType<typeof findUser>;
type Home = ReturnType<typeof findHome>;
type AllExtensions = ReturnType<typeof addAllExtensions>;

/** A display or a bus of the host can be behind an abstract socket, which belongs to the network. */
function reachesAbstractSockets(granted: (list: "shared" | "sockets") => (name: string) => boolean): boolean {
  const sockets = ["x11", "fallback-x11", "session-bus", "system-bus"];
  return granted("shared")("network") && sockets.some(granted("sockets"));
}

/** What all parts of a specification need to know. */
interface Scene {
  readonly input: SpecificationInput;
  readonly host: Host;
  readonly root: RootBuilder;
  readonly permissions: Permissions;
  readonly granted: (list: GrantList) => (name: string) => boolean;
  readonly user: User;
  readonly home: Home;
  readonly homeInput: HomeInput;
  /** The folder that the app's instances share. */
  readonly shared: string | undefined;
  /** The name of the app's data; undefined where the sandbox does not get them. */
  readonly ownName: string | undefined;
  readonly devel: boolean;
  readonly nested: boolean;
}

function lookAround(input: SpecificationInput, host: Host): Scene {
  const { app, options } = input;
  const conditions = hostConditions(host);
  const permissions = flattenPermissions(effectivePermissions(input), conditions);
  const granted = (list: GrantList) => (name: string) => isGranted(permissions[list], name, conditions);
  const user = findUser(host);
  const home = findHome(host, user);
  const shared = sharedFolderOf(input);
  const ownName = app === undefined || options.sandboxed ? undefined : dataName(app.ref.id, options.profile);
  const exports = findExports(host, user.home, permissions, input.runFolder);
  const homeInput: HomeInput = {
    home: home.path,
    exports,
    userDirs: userDirsText(host, user.home, exports),
    dataFolder: ownName === undefined ? undefined : dataFolderOf(home.path, ownName),
    permissions,
    hidden: [...input.hidden, input.runFolder],
  };
  const devel = options.devel || granted("features")("devel");
  const nested = granted("features")("userns");
  return {
    input,
    host,
    root: new RootBuilder(host),
    permissions,
    granted,
    user,
    home,
    homeInput,
    shared,
    ownName,
    devel,
    nested,
  };
}

/** The images with their extensions, and `/etc`; answers the environment that leads to their libraries. */
function addImages(scene: Scene): { readonly extensions: AllExtensions; readonly environment: EnvironmentBuilder } {
  const { input, host, root, user, shared } = scene;
  const { app, runtime, options, linkerCache } = input;
  const usr = options.usr?.path ?? `${runtime.lower}/usr`;
  addBase(root, host, usr, user.uid, shared);
  addUsrFolder(root, host, runtime, options.usr);
  addAppFolder(root, app, options.app);
  const extensions = addAllExtensions(root, host, input, options);
  const environment = new EnvironmentBuilder(linkerCache === undefined ? libraryPathOf(app, extensions) : undefined);
  if (app !== undefined && linkerCache !== undefined) addLinkerCache(root, app.ref.arch, linkerCache);
  addEtc(root, host, usr, user);
  return { extensions, environment };
}

/** What the host gives every sandbox, or those that may have it. */
function addHostParts({ input, host, root, granted, homeInput, shared }: Scene): void {
  addLiveNetworkFiles(root, host, input.session);
  addTrust(root, host, input.session);
  addDevices(root, host, {
    granted: granted("devices"),
    sound: granted("sockets")("pulseaudio"),
    shared: granted("features")("per-app-dev-shm") ? shared : undefined,
  });
  addHostData(root, host, homeInput.home);
  addSystemSockets(root, host, input.session, granted("shared")("network"));
}

/** The app's own data, the user's files that it may see, and what the command line shows. */
function addFiles({ input, host, root, home, homeInput, ownName }: Scene): void {
  const { app, options, previousIds } = input;
  addSessionFolders(root, host, input);
  addDocuments(root, host, input);
  addHome(root, host, homeInput);
  if (app !== undefined && ownName !== undefined) {
    addDataNames(root, home.path, ownName, [app.ref.id, ...previousIds]);
  }
  for (const link of home.links) root.symlink(link.path, link.to);
  for (const { path, type, access } of options.binds) root.bind(path, path, { access, type, distrusted: true });
}

/** Displays, agents and buses, with the variables that lead to them. */
function addConnections(
  { input, host, root, permissions, granted, home }: Scene,
  environment: EnvironmentBuilder,
): Pick<Specification, "buses" | "session"> {
  const { app, options, runFolder } = input;
  const sockets = { root, host, environment, home: home.path, granted: granted("sockets") };
  const served = addSockets(sockets, findWaylandSocket(host) !== undefined);
  const buses = describeBuses({
    id: app?.ref.id,
    sandboxed: options.sandboxed,
    permissions,
    granted: granted("sockets"),
    options: options.buses,
  });
  return { buses, session: addBuses(sockets, buses, runFolder, served) };
}

function setVariables({ input, host, permissions, user, homeInput }: Scene, environment: EnvironmentBuilder): void {
  environment.apply(permissions);
  if (input.app !== undefined) addAppVariables(environment, host, input.app.ref.id, homeInput.dataFolder);
  environment.set("HOME", user.home);
  environment.set("container", "flatpak");
  environment.set("XDG_RUNTIME_DIR", `/run/user/${user.uid}`);
}

/** What bounds the processes rather than the files. */
function describeBounds({ input, host, root, permissions, granted, devel, nested }: Scene) {
  const feature = granted("features");
  return {
    seccomp: {
      arch: (input.app ?? input.runtime).ref.arch,
      devel,
      multiarch: feature("multiarch"),
      bluetooth: feature("bluetooth"),
      canbus: feature("canbus"),
      userns: nested,
    },
    shared: { network: granted("shared")("network"), ipc: granted("shared")("ipc") },
    cgroup: describeCgroup(host, input, permissions),
    landlock: landlockOf(root.mounts, { nested, abstractSockets: reachesAbstractSockets(granted) }),
    nested: nested ? nestedBounds : undefined,
  };
}

/**
 * Turns what an app is, what it may and what the host has into a description of its sandbox. Has no side effect; all
 * it learns about the machine comes from `host`.
 */
export function specify(input: SpecificationInput, host: Host): Specification {
  const { app, runtime, options } = input;
  const scene = lookAround(input, host);
  const { root, homeInput, user, devel } = scene;
  const { dataFolder } = homeInput;
  const { extensions, environment } = addImages(scene);
  addHostParts(scene);
  const marks = { uid: user.uid, dataFolder, devel, sandbox: options.sandboxed };
  const instance = addInstance(root, { ...input, extensions }, scene.permissions, marks);
  addLibrary(root, host, input);
  addFiles(scene);
  const connections = addConnections(scene, environment);
  setVariables(scene, environment);
  const main = app ?? runtime;
  return {
    identity: { id: main.ref.id, ref: formatRef(main.ref), commit: main.commit, runtime: formatRef(runtime.ref) },
    lowers: app === undefined || options.app !== undefined ? [runtime.lower] : [app.lower, runtime.lower],
    layer: root.layer,
    mounts: root.mounts,
    data: dataEntries(homeInput),
    points: root.points,
    create: homeInput.exports.missing,
    sharedFolder: scene.shared,
    dataFolder,
    environment: environment.result(options.clearEnvironment),
    ...connections,
    parent: options.parent,
    instanceIdFd: options.instanceIdFd,
    cwd: options.cwd,
    command: [options.command ?? app?.metadata.command ?? (app === undefined ? "/bin/bash" : "/bin/sh")],
    dieWithParent: options.dieWithParent,
    instance,
    ...describeBounds(scene),
  };
}
