// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import type { DowelEvent } from "../../../base/events.ts";
import { busErrors } from "../../../dbus/errors.ts";
import type { Variant } from "../../../formats/dbus/types.ts";
import { launcherPath } from "../../../instances/launcher.ts";
import type { EventLoop } from "../../../loop/loop.ts";
import { type InstalledApp, placeOption } from "./installed.ts";
import { UpdateProgress } from "./progress.ts";

const errorBytes = 4096;
const needsMore = "Self update not supported, new version requires new permissions";

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

/** Runs the command to its end, with each line that it prints. */
async function follow(words: readonly string[], signal: AbortSignal, line: (text: string) => void): Promise<Ended> {
  const child = spawn(launcherPath(), words, { cwd: "/", stdio: ["ignore", "pipe", "pipe"] });
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(0, errorBytes);
  });
  // Loaded when it is needed: with what it needs it takes a MiB of memory.
  const { createInterface } = process.getBuiltinModule("node:readline");
  const lines = createInterface({ input: child.stdout }).on("line", line);
  const closed = new Promise<void>((resolve) => lines.once("close", resolve));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  await closed;
  signal.removeEventListener("abort", stop);
  return { code, said };
}

function errorOf({ code, said }: Ended, { held }: UpdateProgress): { name: string; message: string } | undefined {
  if (held !== undefined) return { name: busErrors.notSupported, message: `${needsMore}: ${held.join(" ")}` };
  if (code === 0) return undefined;
  const [first = ""] = said.split("\n");
  return { name: busErrors.failed, message: first === "" ? "The update has failed" : first };
}

/**
 * Updates an app as its user would, but never to a version that may do more; `tell` gets what `Progress` says. A process of
 * its own does it: the service goes on, and the store's rules count.
 */
export async function runUpdate(
  loop: EventLoop,
  { ref, place }: InstalledApp,
  signal: AbortSignal,
  tell: (info: ReadonlyMap<string, Variant>) => void,
): Promise<void> {
  const progress = new UpdateProgress(ref);
  const words = ["update", placeOption(place), "--json", "-y", "--no-new-permissions", ref];
  const ended = await loop.during(
    follow(words, signal, (text) => {
      const info = progress.take(JSON.parse(text) as DowelEvent);
      if (info !== undefined) tell(info);
    }),
  );
  tell(progress.end(errorOf(ended, progress)));
}
