// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { limits } from "../../base/limits.ts";
import { updatedDataDirs } from "../../engine/environment.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { launcherPath } from "../../instances/launcher.ts";
import { splitCommand } from "../../store/exports/command.ts";
import type { CallingApp } from "./app.ts";
import type { Environment } from "./buses.ts";
import { passedPath, runBackend, spawnWith } from "./command.ts";
import { permit } from "./permit.ts";
import type { RequestOutcome } from "./request.ts";
import type { BackendServices } from "./served.ts";

const entryGroup = "Desktop Entry";

function read(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    return text.length > limits.policyBytes ? undefined : text;
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".desktop"));
  } catch {
    return [];
  }
}

/** Ids of desktop entries that the user, then the machine prefers for a type (XDG MIME Applications Specification 1.0). */
function preferred(type: string, environment: Environment): readonly string[] {
  const own = environment["XDG_CONFIG_HOME"] || `${environment["HOME"] ?? ""}/.config`;
  return [own, "/etc/xdg"].flatMap((folder) => {
    const text = read(join(folder, "mimeapps.list"));
    if (text === undefined) return [];
    return parseKeyfile(text, "mimeapps.list").getList("Default Applications", type) ?? [];
  });
}

/** The words of `dowel` that open something in the app of a desktop entry; undefined where that does not take the type. */
function wordsOf(text: string, type: string, what: string): readonly string[] | undefined {
  const entry = parseKeyfile(text, "desktop entry");
  if (entry.get(entryGroup, "X-Flatpak") === undefined) return undefined;
  if (entry.getList(entryGroup, "MimeType")?.includes(type) !== true) return undefined;
  const words = splitCommand(entry.get(entryGroup, "Exec") ?? "")?.slice(1) ?? [];
  if (!words.some((word) => /^%[uf]$/i.test(word))) return undefined;
  return words.flatMap((word) => {
    if (/^%[uf]$/i.test(word)) return [what];
    // Icon, name and file of the entry, and old codes, are of no use here.
    return /^%[a-zA-Z]$/.test(word) ? [] : [word.replaceAll("%%", "%")];
  });
}

/** The words that open something in an installed app for its type: the preferred one, else the first. */
export function handlerOf(type: string, what: string, environment: Environment): readonly string[] | undefined {
  const folders = updatedDataDirs(environment, false)
    .split(":")
    .map((folder) => join(folder, "applications"));
  const entries = [...preferred(type, environment), ...folders.flatMap((folder) => [...namesIn(folder)].sort())];
  for (const name of new Set(entries.filter((one) => !one.includes("/")))) {
    for (const folder of folders) {
      const text = read(join(folder, name));
      const words = text === undefined ? undefined : wordsOf(text, type, what);
      if (words !== undefined) return words;
    }
  }
  return undefined;
}

/** Whether anything here opens addresses of a scheme. */
export function opensScheme({ backends, environment }: BackendServices, scheme: string): boolean {
  return backends().commands.has("open") || handlerOf(`x-scheme-handler/${scheme}`, "", environment) !== undefined;
}

/** What is to be opened. */
export interface Opened {
  /** A MIME type, `x-scheme-handler/SCHEME` for what is no file. */
  readonly type: string;
  /** An address, or where a file was found: its name leads to what the app puts there, so that is for people. */
  readonly uri: string;
  /** The file itself, open by O_PATH. */
  readonly fd?: number;
  /** Whether what opens the file may write to it. */
  readonly writable?: boolean;
}

/** An app's words with the file itself where they stand between the marks by which `dowel run` hands files over. */
function withFile(words: readonly string[], uri: string, itself: string): readonly string[] {
  let between = false;
  return words.map((word) => {
    if (/^@@u?$/.test(word)) between = !between;
    return between && word === uri ? itself : word;
  });
}

/** What is passed on open for reading, `dowel run --file-forwarding` hands over to be read. */
function openForReading(fd: number): number {
  return openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
}

/** Opens something by the maker's command, else in an installed app for its type, which runs in its own sandbox. */
export async function open(
  services: BackendServices,
  app: CallingApp,
  { type, uri, fd, writable = false }: Opened,
  signal: AbortSignal,
): Promise<RequestOutcome> {
  const { loop, backends, environment } = services;
  if (!(await permit(services, app, ["desktop-used-apps", type], "yes", { uri }, signal))) return { response: 1 };
  using held = new DisposableStack();
  const files = fd === undefined ? [] : [writable ? fd : held.adopt(openForReading(fd), closeSync)];
  const itself = fd === undefined ? uri : `file://${passedPath(0)}`;
  const command = backends().commands.get("open");
  if (command !== undefined) {
    const name = fd === undefined ? {} : { name: basename(fileURLToPath(uri)) };
    await runBackend(loop, command, { app: app.id, uri: itself, ...name, type }, signal, files);
    return { response: 0 };
  }
  const words = handlerOf(type, uri, environment);
  if (words === undefined) return { response: 2 };
  const child = spawnWith(launcherPath(), withFile(words, uri, itself), files, ["ignore", "ignore", "ignore"], true);
  // What becomes of the app is its own affair; the engine must only not throw.
  child.on("error", services.failed);
  return { response: child.pid === undefined ? 2 : 0 };
}
