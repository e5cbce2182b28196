// SPDX-License-Identifier: Apache-2.0
import type { RunRequest } from "../engine/run/describe.ts";
import { noPermissions } from "../metadata/permissions/model.ts";
import { applyPermissionOption } from "../metadata/permissions/options.ts";
import { type InstallationFlags, installationFlags, switchFlag, textFlag } from "./flags.ts";
import { typedPermissions } from "./permissionoptions.ts";
import { permissionFlags } from "./permissions.ts";
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
  readonly clearEnv?: boolean;
  readonly dieWithParent?: boolean;
  readonly sandbox?: boolean;
  readonly noDocumentsPortal?: boolean;
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
  clearEnv: switchFlag("Do not pass on the environment"),
  dieWithParent: switchFlag("End the sandbox when the caller ends"),
  sandbox: switchFlag("Without the app's own permissions and data; only what other options give"),
  noDocumentsPortal: switchFlag("Without the files that the document portal shows the app"),
} as const;

export const runAliases = { u: "user", d: "devel", p: "dieWithParent" } as const;

/** What to run, from the options and the words up to the app's name. */
export function toRunRequest(flags: RunFlags, name: string, words: readonly string[]): RunRequest {
  return {
    name,
    branch: flags.branch,
    arch: flags.arch,
    runtime: flags.runtime,
    runtimeVersion: flags.runtimeVersion,
    installations: installationChoice(flags),
    permissions: typedPermissions(words).reduce(applyPermissionOption, noPermissions),
    command: flags.command,
    cwd: flags.cwd,
    devel: flags.devel ?? false,
    clearEnvironment: flags.clearEnv ?? false,
    dieWithParent: flags.dieWithParent ?? false,
    sandboxed: flags.sandbox ?? false,
    documents: flags.noDocumentsPortal !== true,
  };
}
