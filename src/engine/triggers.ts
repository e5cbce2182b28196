// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { hostArch } from "../base/arch.ts";
import { DowelError, errnoOf, fileError, isDowelError } from "../base/errors.ts";
import { spawnPlan } from "../instances/spawn.ts";
import { encodePlan } from "../sandbox/plan/index.ts";
import { RecordingHost } from "../sandbox/probe/recording.ts";
import { runFolder } from "../sandbox/run-folder.ts";
import { triggerPlan, triggerRoot } from "../sandbox/trigger.ts";
import type { Installation } from "../store/installation.ts";
import { lockForChange } from "../store/locks.ts";
import type { Deployment } from "../store/types.ts";
import { readPlainFile } from "../sys/plainfile.ts";
import type { ChangeContext } from "./fetch.ts";

/** A database that desktops read beside what apps export, and the program that writes it. */
interface Trigger {
  readonly program: string;
  readonly options: readonly string[];
  /** Below `exports/`: what the program is given. */
  readonly folder: string;
  /** Below `folder`: files that the database is made of. */
  readonly input: string;
  /** What such a file must have in it to be of any consequence. */
  readonly pattern?: RegExp;
  /** Whether a name in `folder` belongs to the database, also where the program was killed while it wrote. */
  readonly isOutput: (name: string) => boolean;
}

const triggers: readonly Trigger[] = [
  {
    program: "update-desktop-database",
    options: ["-q"],
    folder: "share/applications",
    input: "",
    pattern: /^MimeType=/m,
    isOutput: (name) => /^\.?mimeinfo\.cache/.test(name),
  },
  {
    program: "update-mime-database",
    options: [],
    folder: "share/mime",
    input: "packages",
    isOutput: (name) => name !== "packages",
  },
  {
    program: "gtk-update-icon-cache",
    options: ["-q", "-t", "-f"],
    folder: "share/icons/hicolor",
    input: "",
    isOutput: (name) => /^\.?icon-theme\.cache/.test(name),
  },
];

/** A program that reads files of apps must not keep a transaction waiting for longer. */
const patienceMilliseconds = 60_000;

/**
 * Brings the databases of desktops in line with what apps export: of file types and their programs, of MIME types, and of
 * icons; those for which the host has a program, and that what has changed may matter to. A program that fails is a
 * warning: desktops then find less, and nothing else is wrong.
 */
export async function updateDatabases(
  { installation, report, signal }: ChangeContext,
  changed: readonly Deployment[],
): Promise<void> {
  const apps = changed.filter(({ ref }) => ref.kind === "app");
  if (apps.length === 0) return;
  const present = triggers.filter(
    (trigger) => hasDatabase(installation, trigger) || apps.some(({ path }) => matters(path, trigger)),
  );
  if (present.length === 0) return;
  using _lock = await lockForChange(installation, { report, signal });
  for (const trigger of present) {
    const program = programPath(trigger.program);
    try {
      if (!hasInput(installation, trigger)) removeDatabase(installation, trigger);
      else if (program !== undefined) await runTrigger(installation, program, trigger, signal);
    } catch (error) {
      if (!isDowelError(error) || signal?.aborted === true) throw error;
      report({ type: "warning", text: `${trigger.program} has failed: ${error.message}` });
    }
  }
}

function programPath(name: string): string | undefined {
  return ["/usr/bin", "/usr/sbin"].map((folder) => join(folder, name)).find((path) => existsSync(path));
}

function hasDatabase({ exports }: Installation, { folder, isOutput }: Trigger): boolean {
  return names(join(exports, folder)).some(isOutput);
}

/** Whether a deployment, which may have gone, exports something that the database tells of. */
function matters(deployment: string, { folder, input, pattern }: Trigger): boolean {
  const top = join(deployment, "export", folder, input);
  return names(top).some((name) => pattern === undefined || pattern.test(readPlainFile(join(top, name)).toString()));
}

function hasInput({ exports }: Installation, { folder, input, isOutput }: Trigger): boolean {
  return names(join(exports, folder, input)).some((name) => input !== "" || !isOutput(name));
}

function removeDatabase({ exports }: Installation, { folder, isOutput }: Trigger): void {
  const top = join(exports, folder);
  try {
    for (const name of names(top)) if (isOutput(name)) rmSync(join(top, name), { recursive: true });
    for (let path = top; path !== exports && names(path).length === 0; path = dirname(path)) rmdirSync(path);
  } catch (error) {
    throw fileError(error, "remove what is in", top);
  }
}

async function runTrigger(
  installation: Installation,
  program: string,
  { options, folder }: Trigger,
  signal: AbortSignal | undefined,
): Promise<void> {
  const places = { apps: join(installation.path, "app"), exports: installation.exports };
  const command = [program, ...options, `${triggerRoot}/exports/${folder}`];
  const plan = triggerPlan(new RecordingHost(), places, command, hostArch(), runFolder());
  const patience = AbortSignal.timeout(patienceMilliseconds);
  // What it prints is about files of apps, which are theirs to mend.
  const { code } = await spawnPlan(encodePlan(plan), [], {
    signal: signal === undefined ? patience : AbortSignal.any([signal, patience]),
    output: () => undefined,
    environment: {},
  });
  if (code !== 0) throw new DowelError("SANDBOX_FAILED", `${program} ended with exit code ${code}`);
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw fileError(error, "read", folder);
  }
}
