// SPDX-License-Identifier: Apache-2.0

import { DowelError } from "../base/errors.ts";
import type { RunRequest } from "../engine/run/describe.ts";
import type { ExecOptions } from "../engine/run/exec.ts";
import { descriptorNumber } from "../engine/run/trees.ts";
import { noPermissions } from "../metadata/permissions/model.ts";
import { applyPermissionOption } from "../metadata/permissions/options.ts";
import { parseProfile } from "../metadata/profile.ts";
import type { ParentSandbox } from "../sandbox/spec/types.ts";
import { type InstallationFlags, installationFlags, switchFlag, textFlag, textsFlag } from "./flags.ts";
import { permissionFlags } from "./permissionflags.ts";
import { takesFiles, typedPermissions } from "./permissionoptions.ts";
import { installationChoice } from "./transaction.ts";

/** The options that decide what a sandbox is like. */
export interface RunFlags extends InstallationFlags {
  readonly arch?: string;
  readonly branch?: string;
  readonly command?: string;
  readonly cwd?: string;
  readonly devel?: boolean;
  readonly runtime?: string;
  readonly runtimeVersion?: string;
  readonly commit?: string;
  readonly runtimeCommit?: string;
  readonly appPath?: string;
  readonly appFd?: string;
  readonly usrPath?: string;
  readonly usrFd?: string;
  readonly bindFd?: readonly string[];
  readonly roBindFd?: readonly string[];
  readonly sessionBus?: boolean;
  readonly noSessionBus?: boolean;
  readonly a11yBus?: boolean;
  readonly noA11yBus?: boolean;
  readonly logSessionBus?: boolean;
  readonly logSystemBus?: boolean;
  readonly logA11yBus?: boolean;
  readonly parentPid?: string;
  readonly parentExposePids?: boolean;
  readonly parentSharePids?: boolean;
  readonly instanceIdFd?: string;
  readonly forwardFd?: readonly string[];
  readonly forwardEnvFd?: string;
  readonly profile?: string;
  readonly clearEnv?: boolean;
  readonly dieWithParent?: boolean;
  readonly sandbox?: boolean;
  readonly noDocumentsPortal?: boolean;
  readonly noRequireCgroup?: boolean;
}

export const runFlags = {
  ...installationFlags,
  ...permissionFlags,
  arch: textFlag("Architecture to run", "ARCH"),
  branch: textFlag("Branch to run", "BRANCH"),
  command: textFlag("Run this instead of the app's own command", "COMMAND"),
  cwd: textFlag("Folder to start in", "FOLDER"),
  devel: switchFlag("Use the Sdk, and let the app be debugged"),
  runtime: textFlag("Use another runtime", "RUNTIME"),
  runtimeVersion: textFlag("Use another branch of the runtime", "BRANCH"),
  commit: textFlag("Run a version that is still kept", "COMMIT"),
  runtimeCommit: textFlag("Use a version of the runtime that is still kept", "COMMIT"),
  appPath: textFlag("Show a folder as /app; the app's own is at /run/parent/app", "FOLDER"),
  appFd: textFlag("Show the folder of an open descriptor as /app", "FD"),
  usrPath: textFlag("Show a folder as /usr; the runtime's own is at /run/parent/usr", "FOLDER"),
  usrFd: textFlag("Show the folder of an open descriptor as /usr", "FD"),
  bindFd: textsFlag("Show what an open descriptor holds, at its own place", "FD"),
  roBindFd: textsFlag("Show what an open descriptor holds, at its own place, only to read", "FD"),
  sessionBus: switchFlag("With the session bus, also in a --sandbox"),
  noSessionBus: switchFlag("Without the session bus"),
  a11yBus: switchFlag("With the accessibility bus, also in a --sandbox"),
  noA11yBus: switchFlag("Without the accessibility bus"),
  logSessionBus: switchFlag("Print what goes over the session bus"),
  logSystemBus: switchFlag("Print what goes over the system bus"),
  logA11yBus: switchFlag("Print what goes over the accessibility bus"),
  parentPid: textFlag("Process of a running sandbox, for the next two options", "PID"),
  parentExposePids: switchFlag("Let the running sandbox see the processes of the new one"),
  parentSharePids: switchFlag("Let both sandboxes see each other's processes"),
  instanceIdFd: textFlag("Write the instance's id to an open descriptor", "FD"),
  forwardFd: textsFlag("Pass an open descriptor on to the app, under its number; stands right behind run", "FD"),
  forwardEnvFd: textFlag("Set variables from a file's descriptor, for this start alone; stands right behind run", "FD"),
  profile: textFlag("Use another set of data, made where it is missing", "NAME"),
  clearEnv: switchFlag("Do not pass on the environment"),
  dieWithParent: switchFlag("End the sandbox when the caller ends"),
  sandbox: switchFlag("Without the app's own permissions and data; only what other options give"),
  noDocumentsPortal: switchFlag("Without the files that the document portal shows the app"),
  noRequireCgroup: switchFlag("Start also where no control group can be made for it"),
} as const;

export const runAliases = { u: "user", d: "devel", p: "dieWithParent" } as const;

/** The value of a pair of switches; the one that takes away wins. */
function switched(on: boolean | undefined, off: boolean | undefined): boolean | undefined {
  if (off === true) return false;
  return on === true ? true : undefined;
}

function parentOf({ parentPid, parentExposePids, parentSharePids }: RunFlags): ParentSandbox | undefined {
  const pids = parentSharePids === true ? "shared" : parentExposePids === true ? "exposed" : "own";
  if (parentPid !== undefined && /^[1-9][0-9]{0,9}$/.test(parentPid)) return { pid: Number(parentPid), pids };
  if (parentPid !== undefined) throw new DowelError("USAGE", `--parent-pid=${parentPid}: expected a process id`);
  if (pids === "own") return undefined;
  throw new DowelError("USAGE", "--parent-expose-pids and --parent-share-pids need --parent-pid=PID");
}

/** Whether the words say all about a start: what descriptors hold, and where relative paths lead, they do not. */
export function isSaidByWords(flags: RunFlags): boolean {
  const fds = [flags.appFd, flags.usrFd, flags.parentPid, ...(flags.bindFd ?? [])];
  const paths = [flags.appPath, flags.usrPath];
  return (
    [...fds, ...(flags.roBindFd ?? [])].every((fd) => fd === undefined) &&
    paths.every((path) => path === undefined || path === "" || path.startsWith("/"))
  );
}

const passedOptions = ["--instance-id-fd", "--forward-fd", "--forward-env-fd"];

function isPassed(word: string): boolean {
  return passedOptions.some((option) => word.startsWith(`${option}=`));
}

/**
 * The words from `run` to the app's name, as typed, without what is passed for this start alone: the key of a warm start.
 * None where they are not first. Throws `USAGE` for a descriptor to forward that does not stand right behind `run`: the
 * launcher looks there whether it is open, before the engine opens others.
 */
export function keyWords(words: readonly string[], args: readonly string[]): readonly string[] {
  const [verb = "", ...head] = words.slice(0, words.length - args.length);
  const first = head.findIndex((word) => !isPassed(word));
  const key = head.slice(first);
  const late = key.find((word) => word.startsWith("--forward-"));
  if (verb !== "run" ? head.some(isPassed) : late !== undefined) {
    throw new DowelError("USAGE", "--forward-fd=FD and --forward-env-fd=FD must stand right behind 'run'");
  }
  const isKey =
    verb === "run" &&
    !key.includes("--") &&
    !takesFiles(key) &&
    !key.some((word) => word.startsWith("--instance-id-fd"));
  return isKey ? [verb, ...key] : [];
}

/** Descriptors that one start passes to the app. Throws `USAGE`. */
export function forwarded({
  forwardFd = [],
  forwardEnvFd,
}: RunFlags): Pick<ExecOptions, "forwardFds" | "forwardEnvironment"> {
  return {
    forwardFds: forwardFd.map((fd) => descriptorNumber(fd, "--forward-fd")),
    forwardEnvironment: forwardEnvFd === undefined ? undefined : descriptorNumber(forwardEnvFd, "--forward-env-fd"),
  };
}

/** What to run, from the options and the words up to the app's name. */
export function toRunRequest(flags: RunFlags, name: string, words: readonly string[]): RunRequest {
  const permissionWords = typedPermissions(words);
  return {
    name,
    branch: flags.branch,
    arch: flags.arch,
    runtime: flags.runtime,
    runtimeVersion: flags.runtimeVersion,
    commit: flags.commit,
    runtimeCommit: flags.runtimeCommit,
    appPath: flags.appPath,
    appFd: flags.appFd,
    usrPath: flags.usrPath,
    usrFd: flags.usrFd,
    bindFds: flags.bindFd,
    roBindFds: flags.roBindFd,
    buses: {
      session: switched(flags.sessionBus, flags.noSessionBus),
      a11y: switched(flags.a11yBus, flags.noA11yBus),
      log: [
        ...(flags.logSessionBus === true ? (["session"] as const) : []),
        ...(flags.logSystemBus === true ? (["system"] as const) : []),
        ...(flags.logA11yBus === true ? (["a11y"] as const) : []),
      ],
    },
    parent: parentOf(flags),
    profile: parseProfile(flags.profile),
    instanceIdFd:
      flags.instanceIdFd === undefined ? undefined : descriptorNumber(flags.instanceIdFd, "--instance-id-fd"),
    installations: installationChoice(flags),
    permissions: permissionWords.reduce(applyPermissionOption, noPermissions),
    permissionWords: permissionWords.filter((word) => !/^--(?:unset-)?env=/.test(word)),
    command: flags.command,
    cwd: flags.cwd,
    devel: flags.devel ?? false,
    clearEnvironment: flags.clearEnv ?? false,
    dieWithParent: flags.dieWithParent ?? false,
    sandboxed: flags.sandbox ?? false,
    documents: flags.noDocumentsPortal !== true,
    requireCgroup: flags.noRequireCgroup !== true,
  };
}
