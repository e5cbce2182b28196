// SPDX-License-Identifier: Apache-2.0
import { execPlan } from "../engine/run/exec.ts";
import { forwardFiles, type ShareFiles } from "../engine/run/forward.ts";
import { findPlaceForGroup } from "../engine/run/group.ts";
import { findParent } from "../engine/run/instances.ts";
import { prepareRun } from "../engine/run/prepare.ts";
import { isShown } from "../store/shown.ts";
import type { Deployment } from "../store/types.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { switchFlag, textArgument } from "./flags.ts";
import { forwarded, isSaidByWords, keyWords, type RunFlags, runAliases, runFlags, toRunRequest } from "./runoptions.ts";

interface Flags extends RunFlags {
  readonly fileForwarding?: boolean;
  readonly trace?: boolean;
}

/** Shows an image; the system service, which may have to be asked, is loaded only then. */
async function show(deployment: Deployment, signal?: AbortSignal): Promise<void> {
  if (isShown(deployment)) return;
  const { showDeployment } = await import("../system/show.ts");
  await showDeployment(deployment, signal);
}

/** Most starts hand nothing over, and do without what that takes to load. */
const share: ShareFiles = async (...files) => {
  const { shareFiles } = await import("../session/documents/share.ts");
  return await shareFiles(...files);
};

async function run(context: Context, flags: Flags, name: string, ...args: string[]): Promise<never> {
  const forwards = flags.fileForwarding === true;
  const options = context.words.slice(0, context.words.length - args.length - 1);
  const key = keyWords(context.words, args);
  const startedBy = isSaidByWords(flags) ? key : [];
  const request = { ...toRunRequest(flags, name, options), startedBy };
  // First, since the portal that may be started by it changes what the sandbox can see.
  const words = forwards ? await forwardFiles(request, args, share, context.signal) : args;
  const { bytes, specification } = await prepareRun(
    request,
    // The launcher passes words on as they are, so a start that takes marks out of them cannot be a warm one.
    forwards ? [] : startedBy,
    { show, signal: context.signal },
  );
  await findPlaceForGroup(specification, context.signal);
  return execPlan(bytes, words, {
    trace: flags.trace,
    instanceIdFd: request.instanceIdFd,
    ...forwarded(flags),
    parent: findParent(specification),
  });
}

export default defineCommand<Flags, [string, ...string[]]>({
  brief: "Run an app in its sandbox",
  description: "Options end at the app's name; all words after it go to the app. The exit code is the app's.",
  examples: [
    ["run org.example.App", "runs the app's own command"],
    ["run --command=sh --devel org.example.App", "opens a shell in the app's sandbox, with its Sdk"],
    ["run --share=network --filesystem=~/Documents:ro org.example.App", "adds permissions for this run"],
    ["run --nofilesystem=host --unshare=network org.example.App", "takes permissions away"],
    ["run --file-forwarding org.example.App @@ ~/letter.txt @@", "hands a file over"],
    ["run --trace org.example.App", "shows what a start spends its time on"],
    ["run --sandbox org.example.App", "runs it without any permission and without its data"],
  ],
  parameters: {
    flags: {
      ...runFlags,
      fileForwarding: switchFlag("Take files between the marks @@ and @@, as desktop files give them"),
      trace: switchFlag("Print each step of the start with its microseconds"),
    },
    aliases: runAliases,
    positional: {
      kind: "array",
      parameter: textArgument("App, then words for it", "APP"),
      minimum: 1,
    },
  } as never,
  optionsEndAtFirstArgument: true,
  run,
});
