// SPDX-License-Identifier: Apache-2.0
import { lstatSync, mkdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { isValidArch, isValidBranch, isValidId } from "../../metadata/ref.ts";
import { tryLockFolder } from "../../sys/locks.ts";
import type { Installation } from "../installation.ts";
import { namesIn } from "../names.ts";
import type { Findings } from "./findings.ts";
import { removeWithin, setAside } from "./removal.ts";

function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR") return undefined;
    throw fileError(error, "look at", path);
  }
}

/**
 * Files of an installation that decide nothing about trust: where something else lies in the place of one, it can be taken
 * away. Locks are made anew when they are taken; the journal and the index begin anew. Of `version`, which says how all
 * else is to be read, and of settings nobody can know what they said.
 */
const lockFiles = ["lock", "pins"] as const;
const otherFiles = ["history.jsonl", "background.json", "remotes.conf.lock", "policy.json.lock"];
const indexFiles = ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"];

/** Which of the locks can be taken. */
export interface Locks {
  readonly lock: boolean;
  readonly pins: boolean;
}

/**
 * Finds what lies in the place of files, and takes it away. To be called before any lock is taken: while a lock is no file
 * nobody can have it. Only one process at a time takes something away, so that none takes away what another has made.
 */
export function checkFiles(installation: Installation, findings: Findings): Locks {
  const isWrong = (name: string): boolean => statusOf(join(installation.path, name))?.isFile() === false;
  for (const name of [...lockFiles, ...otherFiles, ...indexFiles]) {
    if (isWrong(name)) checkFile(installation, findings, name);
  }
  return { lock: !isWrong("lock"), pins: !isWrong("pins") };
}

function checkFile(installation: Installation, findings: Findings, name: string): void {
  const path = join(installation.path, name);
  const kind = indexFiles.includes(name) ? "index" : "file";
  findings.add(kind, "damaged", path, "something else lies in the place of a file", () => {
    using _alone = tryLockFolder(installation.path);
    if (_alone === undefined) throw new DowelError("STORE_LOCKED", "another process is mending the same");
    if (statusOf(path)?.isFile() !== false) return;
    const aside = setAside(installation, path);
    return aside === undefined ? undefined : `it is ${aside} now`;
  });
}

/**
 * Finds what lies in the place of folders; a link counts, wherever it leads: nothing outside of the installation is its
 * own. Answers whether all else can be looked at.
 */
export function checkFolders(installation: Installation, findings: Findings): boolean {
  const { path: top, objects, layers, images, exports, tmp } = installation;
  for (const path of [objects, layers, images, exports, tmp]) {
    const status = statusOf(path);
    if (status?.isDirectory() === true) continue;
    const what = status === undefined ? "missing" : "damaged";
    findings.add("folder", what, path, "must be a folder of the installation", () => {
      removeWithin(installation, path);
      mkdirSync(path, { mode: path === tmp ? 0o700 : 0o755 });
    });
  }
  const others = [".removed", "pulled", "app", "runtime"].map((name) => join(top, name));
  const strangers = [
    ...[join(tmp, "blobs"), ...others].filter((path) => statusOf(path)?.isDirectory() === false),
    ...strangersIn(join(top, "app")),
    ...strangersIn(join(top, "runtime")),
  ];
  for (const path of strangers) {
    findings.add("folder", "foreign", path, "lies in the place of a folder", () => removeWithin(installation, path));
  }
  return [objects, layers, images, exports, tmp, ...strangers].every((path) => statusOf(path)?.isDirectory() !== false);
}

/** The names of folders below `app` and `runtime`, by their depth: ID/ARCH/BRANCH/COMMIT. */
const namesByDepth: readonly ((name: string) => boolean)[] = [
  isValidId,
  (name) => isValidArch(name) && name !== "current",
  isValidBranch,
  (name) => /^[0-9a-f]{64}$/.test(name),
];

/** What is no folder where refs have theirs. */
function strangersIn(folder: string, depth = 0): string[] {
  const isOurs = namesByDepth[depth];
  if (isOurs === undefined || statusOf(folder)?.isDirectory() !== true) return [];
  return namesIn(folder)
    .sort()
    .filter((name) => isOurs(name) && !/\.tmp-[0-9]+-[0-9]+$/.test(name))
    .flatMap((name) => {
      const path = join(folder, name);
      return statusOf(path)?.isDirectory() === true ? strangersIn(path, depth + 1) : [path];
    });
}
