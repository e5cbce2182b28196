// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DowelError, isDowelError } from "../../base/errors.ts";
import { splitRelativePath } from "../../base/paths.ts";
import type { Source } from "../manifest/types.ts";
import { runTool } from "../tools.ts";
import type { SourceContext } from "./context.ts";
import { makeInside } from "./place.ts";

export type GitSource = Extract<Source, { type: "git" }>;

/** Options that keep a repository's own files from running anything or reading elsewhere. */
const safety = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.symlinks", "true"],
  ["protocol.ext.allow", "never"],
  ["fetch.recurseSubmodules", "false"],
  ["submodule.recurse", "false"],
  ["advice.detachedHead", "false"],
  ["init.defaultBranch", "main"],
  ["gc.auto", "0"],
].flatMap(([key, value]) => ["-c", `${key}=${value}`]);

function git(args: readonly string[], doing: string, context: SourceContext): Promise<string> {
  return runTool("git", [...safety, ...args], {
    doing,
    code: "SOURCE_FETCH",
    signal: context.signal,
    env: { GIT_TERMINAL_PROMPT: "0", GIT_TEMPLATE_DIR: "" },
  });
}

function mirrorPath(location: string, context: SourceContext): string {
  const name = location.replace(/[^A-Za-z0-9.-]/g, "_").slice(0, 120);
  const hash = createHash("sha256").update(location).digest("hex").slice(0, 16);
  return join(context.state.folder("git"), `${name}-${hash}`);
}

/** Brings the wanted commit into the mirror of the repository and gives its full id. Without network where it is there already. */
export async function resolveGit(source: GitSource, context: SourceContext): Promise<string> {
  const { location, commit } = source;
  const mirror = mirrorPath(location, context);
  if (!existsSync(join(mirror, "HEAD"))) {
    await git(["init", "--quiet", "--bare", mirror], `Cannot make a mirror of ${location}`, context);
  }
  if (commit !== undefined && (await hasCommit(mirror, commit, context))) return commit;
  context.report({ type: "fetch.start", name: location, size: 0 });
  const found = await fetchCommit(source, mirror, context);
  context.report({ type: "fetch.done", name: location, size: 0, reused: false });
  if (commit !== undefined && found !== commit) {
    throw new DowelError("SOURCE_INVALID", `${location}: ${describe(source)} is commit ${found}, expected ${commit}`);
  }
  return found;
}

function describe(source: GitSource): string {
  if (source.tag !== undefined) return `tag ${source.tag}`;
  return source.branch === undefined ? "the default branch" : `branch ${source.branch}`;
}

async function hasCommit(mirror: string, commit: string, context: SourceContext): Promise<boolean> {
  try {
    await git(["-C", mirror, "cat-file", "-e", `${commit}^{commit}`], `Cannot look for ${commit}`, context);
    return true;
  } catch (error) {
    if (isDowelError(error, "SOURCE_FETCH")) return false;
    throw error;
  }
}

async function fetchCommit(source: GitSource, mirror: string, context: SourceContext): Promise<string> {
  const { location, commit } = source;
  const doing = `Cannot fetch ${commit ?? describe(source)} of ${location}`;
  const depth = source.shallow ? ["--depth=1"] : [];
  const fetch = (...args: string[]): Promise<string> =>
    git(["-C", mirror, "fetch", "--quiet", "--no-tags", "--force", ...args], doing, context);
  if (source.tag !== undefined || (source.branch !== undefined && commit === undefined)) {
    const ref = source.tag === undefined ? `refs/heads/${source.branch}` : `refs/tags/${source.tag}`;
    await fetch(...depth, "--", location, `+${ref}:${ref}`);
    return (await git(["-C", mirror, "rev-parse", `${ref}^{commit}`], doing, context)).trim();
  }
  if (commit === undefined) {
    await fetch(...depth, "--", location, "HEAD");
    return (await git(["-C", mirror, "rev-parse", "FETCH_HEAD^{commit}"], doing, context)).trim();
  }
  try {
    await fetch(...depth, "--", location, commit);
  } catch (error) {
    // servers may refuse to hand out a commit that no ref names
    if (!isDowelError(error, "SOURCE_FETCH")) throw error;
    await fetch("--", location, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*");
  }
  if (await hasCommit(mirror, commit, context)) return commit;
  throw new DowelError("SOURCE_FETCH", `${location}: there is no commit ${commit}`);
}

/** Checks a commit out into a folder, as a repository of its own with that one commit, and its submodules below. */
export async function checkoutGit(
  source: GitSource,
  commit: string,
  folder: string,
  context: SourceContext,
): Promise<void> {
  const mirror = mirrorPath(source.location, context);
  const doing = `Cannot check out ${commit} of ${source.location}`;
  const refs = source.tag === undefined ? [] : [`+refs/tags/${source.tag}:refs/tags/${source.tag}`];
  await git(["init", "--quiet", folder], doing, context);
  const depth = source.shallow ? ["--depth=1"] : [];
  await git(["-C", folder, "fetch", "--quiet", ...depth, "--no-tags", "--", mirror, commit, ...refs], doing, context);
  await git(["-C", folder, "checkout", "--quiet", "--force", "--detach", commit], doing, context);
  if (source.submodules) await checkoutSubmodules(source, commit, folder, context);
}

async function checkoutSubmodules(
  source: GitSource,
  commit: string,
  folder: string,
  context: SourceContext,
): Promise<void> {
  for (const submodule of await listSubmodules(source, commit, folder, context)) {
    const path = makeInside(folder, submodule.path);
    const found = await resolveGit(submodule.source, context);
    await checkoutGit(submodule.source, found, path, context);
  }
}

interface Submodule {
  readonly path: readonly string[];
  readonly source: GitSource;
}

async function listSubmodules(
  source: GitSource,
  commit: string,
  folder: string,
  context: SourceContext,
): Promise<readonly Submodule[]> {
  const doing = `Cannot read the submodules of ${source.location}`;
  const tree = await git(["-C", folder, "ls-tree", "-r", "-z", commit], doing, context);
  const links = new Map<string, string>();
  for (const line of tree.split("\0")) {
    const match = /^160000 commit ([0-9a-f]+)\t(.*)$/s.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) links.set(match[2], match[1]);
  }
  if (links.size === 0) return [];
  const blob = `${commit}:.gitmodules`;
  const config = await git(["-C", folder, "config", "-z", "--blob", blob, "--list"], doing, context);
  const modules = new Map<string, Map<string, string>>();
  for (const record of config.split("\0")) {
    const match = /^submodule\.(.*)\.(path|url)\n(.*)$/s.exec(record);
    const [, name = "", key = "", value = ""] = match ?? [];
    if (match !== null) modules.set(name, (modules.get(name) ?? new Map<string, string>()).set(key, value));
  }
  return [...modules.values()].flatMap((module) => {
    const path = module.get("path") ?? "";
    const link = links.get(path);
    return link === undefined ? [] : [toSubmodule(source, path, module.get("url") ?? "", link)];
  });
}

function toSubmodule(parent: GitSource, path: string, url: string, commit: string): Submodule {
  const names = splitRelativePath(path);
  if (names === undefined || names.length === 0 || names.includes(".git")) {
    throw new DowelError("SOURCE_INVALID", `${parent.location}: a submodule has the path ${JSON.stringify(path)}`);
  }
  const location = resolveUrl(parent.location, url);
  // a repository from elsewhere must not name files of this machine, nor other programs as transports
  const local = isLocal(location) && !isLocal(parent.location);
  if (location.startsWith("-") || location.includes("::") || local) {
    throw new DowelError(
      "SOURCE_INVALID",
      `${parent.location}: submodule ${path} has the address ${url}, expected a URL`,
    );
  }
  return { path: names, source: { ...parent, location, branch: undefined, tag: undefined, commit, dest: names } };
}

function isLocal(location: string): boolean {
  return location.startsWith("/") || location.startsWith("file:") || !/^([a-z][a-z+.-]*:\/\/|[^/:]+:)/i.test(location);
}

/** Relative addresses (`../other.git`) start from the address of the parent (gitmodules(5)). */
function resolveUrl(parent: string, url: string): string {
  if (!url.startsWith("./") && !url.startsWith("../")) return url;
  let base = parent.replace(/\/+$/, "");
  let rest = url;
  for (;;) {
    if (rest.startsWith("./")) rest = rest.slice(2);
    else if (rest.startsWith("../")) {
      rest = rest.slice(3);
      base = base.slice(0, Math.max(base.lastIndexOf("/"), base.lastIndexOf(":")));
    } else return `${base}/${rest}`;
  }
}
