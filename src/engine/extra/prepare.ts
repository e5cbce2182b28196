// SPDX-License-Identifier: Apache-2.0
import { chmodSync, constants, copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DowelError, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { spawnPlan } from "../../instances/spawn.ts";
import type { ExtraData, ExtraFile } from "../../metadata/extradata.ts";
import { formatRef } from "../../metadata/ref.ts";
import { extraPlan } from "../../sandbox/extra.ts";
import { encodePlan } from "../../sandbox/plan/index.ts";
import { RecordingHost } from "../../sandbox/probe/recording.ts";
import { runFolder } from "../../sandbox/run-folder.ts";
import { checkOut } from "../../store/deploy/checkout.ts";
import type { StoredImage } from "../../store/image/stored.ts";
import { type FolderNode, findNode, newFolder } from "../../store/image/tree.ts";
import { storeExtra } from "../../store/transfer/extra.ts";
import { Descriptor } from "../../sys/beneath.ts";
import { makeTempFolder } from "../../sys/tempfolder.ts";
import { readTree } from "../data/tree-read.ts";
import type { ChangeContext } from "../fetch.ts";
import { extraPath } from "./download.ts";
import { runtimeLowerOf } from "./runtime.ts";
import { holdsTooMuch } from "./usage.ts";

const watchMilliseconds = 500;
const keptOutput = 4096;

/**
 * The image with its extra data, which were fetched, prepared and stored as a part of it. To be called under the lock for
 * changes. Throws `EXTRA_DATA` where the program that prepares them fails.
 */
export async function prepareFiles(image: StoredImage, extra: ExtraData, context: ChangeContext): Promise<StoredImage> {
  const { installation, report, signal } = context;
  const work = makeTempFolder(join(installation.tmp, "extra-"));
  try {
    const folder = join(work, "extra");
    placeFiles(extra.files, folder, context);
    if (hasProgram(image)) {
      report({ type: "note", text: `Preparing the extra data of ${formatRef(image.ref)}` });
      await runProgram(image, extra.noRuntime, work, context);
    }
    using open = Descriptor.open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const entries = readTree(open, "the extra data", { signal });
    const stored = await storeExtra(installation, image, entries, signal);
    for (const file of extra.files) rmSync(extraPath(installation, file), { force: true });
    return stored;
  } catch (error) {
    throw fileError(error, "prepare extra data in", work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function placeFiles(files: readonly ExtraFile[], folder: string, { installation }: ChangeContext): void {
  mkdirSync(folder, { mode: 0o755 });
  for (const file of files) {
    const path = join(folder, file.name);
    copyFileSync(extraPath(installation, file), path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    chmodSync(path, 0o644);
  }
}

/** What shows as `/app` in the sandbox, for runtimes too. */
function filesOf({ view, ref }: StoredImage): FolderNode {
  const top = view.root.children.get(ref.kind === "app" ? "app" : "usr");
  return top?.kind === "folder" ? top : newFolder(0, 0);
}

function hasProgram(image: StoredImage): boolean {
  const node = findNode(filesOf(image), ["bin", "apply_extra"]);
  return node !== undefined && node.kind !== "folder";
}

/** Runs the program, and ends it where it does not come to an end or fills the disk. */
async function runProgram(image: StoredImage, noRuntime: boolean, work: string, context: ChangeContext): Promise<void> {
  const { installation, signal } = context;
  const files = filesOf(image);
  const shown = { ...files, children: new Map(files.children).set("extra", newFolder(0, 0)) };
  const app = join(work, "app");
  const extra = join(work, "extra");
  checkOut(installation, shown, app);
  const runtimeLower = noRuntime ? undefined : await runtimeLowerOf(image, context);
  const plan = extraPlan(new RecordingHost(), { app, extra, runtimeLower, arch: image.ref.arch }, runFolder());
  const stop = new AbortController();
  const timeout = setTimeout(() => stop.abort("took too long"), limits.extraDataMilliseconds);
  const watch = setInterval(() => {
    if (holdsTooMuch(extra)) stop.abort("wrote too much");
  }, watchMilliseconds);
  let output = "";
  try {
    const { code } = await spawnPlan(encodePlan(plan), [], {
      signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
      output: (chunk) => {
        output = (output + Buffer.from(chunk).toString("utf8")).slice(-keptOutput);
      },
      environment: {},
    });
    if (code !== 0) throw failed(`ended with exit code ${code}`, output);
  } catch (error) {
    throw stop.signal.aborted ? failed(String(stop.signal.reason), output) : error;
  } finally {
    clearTimeout(timeout);
    clearInterval(watch);
  }
}

function failed(what: string, output: string): DowelError {
  const said = output.trim();
  const text = `Its own program bin/apply_extra, which prepares its extra data, ${what}`;
  return new DowelError("EXTRA_DATA", said === "" ? text : `${text}; it said:\n${said}`);
}
