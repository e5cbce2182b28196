// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import type { Source } from "../manifest/types.ts";
import { unpackArchive } from "./archive.ts";
import type { SandboxRun, SourceContext } from "./context.ts";
import { fetchOrigin, originKey } from "./download.ts";
import { copyFolder, folderKey } from "./folder.ts";
import { checkoutGit, resolveGit } from "./git.ts";
import { makeInside, placeCopy, placeFile } from "./place.ts";
import { fetchRevision, placeRevision } from "./revision.ts";

/** Everything that decides what a source puts into the build folder, as a JSON value. */
export type SourceKey = Readonly<Record<string, unknown>>;

/** May fetch to learn a commit or a revision, which are then in the key. */
export async function sourceKey(source: Source, context: SourceContext): Promise<SourceKey> {
  const { where: _where, ...plain } = source;
  switch (source.type) {
    case "file":
    case "archive":
      return { ...plain, origin: originKey(source.origin) };
    case "dir":
      return { ...plain, path: undefined, content: folderKey(source, context) };
    case "git":
      return { ...plain, location: undefined, branch: undefined, commit: await resolveGit(source, context) };
    case "svn":
    case "bzr":
      return { ...plain, revision: await fetchRevision(source, context) };
    case "extra-data":
      return { type: source.type };
    case "patch":
      return { ...plain, paths: source.paths.map((path) => patchDigest(path)) };
    case "inline":
      return { ...plain, contents: Buffer.from(source.contents).toString("base64") };
    default:
      return plain;
  }
}

function patchDigest(path: string): string {
  try {
    return createHash("sha256").update(readFileSync(path)).digest("hex");
  } catch (cause) {
    throw new DowelError("SOURCE_FETCH", `The patch ${path} cannot be read`, { cause });
  }
}

/** Fetches what a source needs from elsewhere, so that the build itself needs no network. */
export async function fetchSource(source: Source, context: SourceContext): Promise<void> {
  if (source.type === "file" || source.type === "archive") await fetchOrigin(source.origin, source.filename, context);
  if (source.type === "git") await resolveGit(source, context);
}

/** Puts a source into the build folder. `run` runs words in the build sandbox of the module. */
export async function extractSource(
  source: Source,
  buildFolder: string,
  run: SandboxRun,
  context: SourceContext,
): Promise<void> {
  const folder = makeInside(buildFolder, source.dest);
  switch (source.type) {
    case "dir":
      return copyFolder(source, folder, context);
    case "file":
      return placeCopy(folder, source.filename, await fetchOrigin(source.origin, source.filename, context));
    case "archive": {
      const path = await fetchOrigin(source.origin, source.filename, context);
      const { format, stripComponents, filename } = source;
      await unpackArchive({ path, format, stripComponents, what: filename }, folder, context);
      if (source.gitInit) await run(["sh", "-c", gitInit], source.dest);
      return;
    }
    case "git":
      return checkoutGit(source, await resolveGit(source, context), folder, context);
    case "svn":
    case "bzr":
      return placeRevision(source, folder, context);
    case "extra-data":
      return;
    case "patch":
      return applyPatches(source, folder, run);
    case "script":
      return placeFile(folder, source.filename, `#!/bin/sh\n${source.commands.join("\n")}\n`, 0o755);
    case "inline":
      return placeFile(folder, source.filename, source.contents, 0o644);
    case "shell":
      for (const command of source.commands) await run(["/bin/sh", "-c", command], source.dest);
  }
}

const gitInit =
  "git init -q && git add --all && git -c user.email=builder@localhost -c user.name=builder commit -q -m Sources";

type PatchSource = Extract<Source, { type: "patch" }>;

const patchTools = {
  patch: ["patch", "--batch", "--forward", "--no-backup-if-mismatch"],
  git: ["git", "apply", "-v"],
  "git-am": ["git", "am", "--keep-cr", "--no-gpg-sign"],
} as const;

/** Runs in the sandbox: options and, for git, the repository's own configuration can name files and programs. */
async function applyPatches(source: PatchSource, folder: string, run: SandboxRun): Promise<void> {
  for (const path of source.paths) {
    const name = ".dowel-patch";
    placeCopy(folder, name, path);
    const input = source.tool === "patch" ? ["-i", name] : [name];
    await run([...patchTools[source.tool], `-p${source.stripComponents}`, ...source.options, ...input], source.dest);
    rmSync(join(folder, name), { force: true });
  }
}
