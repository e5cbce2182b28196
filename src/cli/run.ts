// SPDX-License-Identifier: Apache-2.0
import { execPlan } from "../engine/run/exec.ts";
import { takeForwardingMarks } from "../engine/run/forward.ts";
import { prepareRun } from "../engine/run/prepare.ts";
import { noPermissions } from "../metadata/permissions/model.ts";
import { applyPermissionOption, permissionOptions } from "../metadata/permissions/options.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, switchFlag, textArgument, textFlag } from "./flags.ts";
import { permissionFlags } from "./permissions.ts";
import { installationChoice } from "./transaction.ts";
import { orderedOptions } from "./words.ts";

interface Flags extends InstallationFlags {
  readonly arch?: string;
  readonly branch?: string;
  readonly command?: string;
  readonly cwd?: string;
  readonly devel?: boolean;
  readonly runtime?: string;
  readonly runtimeVersion?: string;
  readonly clearEnv?: boolean;
  readonly dieWithParent?: boolean;
  readonly fileForwarding?: boolean;
}

const permissionNames: ReadonlySet<string> = new Set(permissionOptions);

/** The words from `run` to the app's name, as typed: the key of a warm start; none where they are not first. */
function keyWords(words: readonly string[], args: readonly string[]): readonly string[] {
  const head = words.slice(0, words.length - args.length);
  return head[0] === "run" && !head.includes("--") ? head : [];
}

async function run(context: Context, flags: Flags, name: string, ...args: string[]): Promise<never> {
  const forwards = flags.fileForwarding === true;
  const options = context.words.slice(0, context.words.length - args.length - 1);
  const permissions = orderedOptions(options, permissionNames, (option) => permissionNames.has(option), false);
  const { bytes } = await prepareRun(
    {
      name,
      branch: flags.branch,
      arch: flags.arch,
      runtime: flags.runtime,
      runtimeVersion: flags.runtimeVersion,
      installations: installationChoice(flags),
      permissions: permissions.reduce(applyPermissionOption, noPermissions),
      command: flags.command,
      cwd: flags.cwd,
      devel: flags.devel ?? false,
      clearEnvironment: flags.clearEnv ?? false,
      dieWithParent: flags.dieWithParent ?? false,
    },
    // The launcher passes words on as they are, so a start that takes marks out of them cannot be a warm one.
    forwards ? [] : keyWords(context.words, args),
    context.signal,
  );
  return execPlan(bytes, forwards ? takeForwardingMarks(args) : args);
}

export default defineCommand<Flags, [string, ...string[]]>({
  brief: "Run an app in its sandbox",
  description: "Options end at the app's name; all words after it go to the app. The exit code is the app's.",
  examples: [
    ["run org.example.App", "runs the app's own command"],
    ["run --command=sh --devel org.example.App", "opens a shell in the app's sandbox, with its Sdk"],
    ["run --share=network --filesystem=~/Documents:ro org.example.App", "adds permissions for this run"],
    ["run --nofilesystem=host --unshare=network org.example.App", "takes permissions away"],
  ],
  parameters: {
    flags: {
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
      fileForwarding: switchFlag("Take files between the marks @@ and @@, as desktop files give them"),
    },
    aliases: { u: "user", d: "devel", p: "dieWithParent" },
    positional: {
      kind: "array",
      parameter: textArgument("App, then words for it", "APP"),
      minimum: 1,
    },
  } as never,
  optionsEndAtFirstArgument: true,
  run,
});
