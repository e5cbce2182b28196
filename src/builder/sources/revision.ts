// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import type { Source } from "../manifest/types.ts";
import { runTool } from "../tools.ts";
import type { SourceContext } from "./context.ts";
import { sanitise } from "./place.ts";

export type RevisionSource = Extract<Source, { type: "svn" | "bzr" }>;

/** Schemes over which neither program starts another one, as `svn+ssh:` would by names that the manifest chooses. */
const schemes = /^(https?|svn|bzr|file):\/\//;

function checkoutPath({ type, location }: RevisionSource, context: SourceContext): string {
  const hash = createHash("sha256").update(location).digest("hex").slice(0, 16);
  const name = location.replace(/[^A-Za-z0-9.-]/g, "_").slice(0, 120);
  return join(context.state.folder(type), `${name}-${hash}`);
}

function fetchWords({ type, location, revision }: RevisionSource, folder: string, isThere: boolean): string[] {
  const at = revision === undefined ? [] : [`-r${revision}`];
  if (type === "svn") {
    const common = ["--non-interactive", "--quiet", "--ignore-externals", ...at];
    return isThere ? ["update", ...common, "--", folder] : ["checkout", ...common, "--", location, folder];
  }
  return isThere
    ? ["pull", "--quiet", "--overwrite", ...at, "-d", folder, location]
    : ["branch", "--quiet", ...at, "--", location, folder];
}

/** Brings the wanted revision into the state folder, and gives what tells it from others. Throws `SOURCE_FETCH` and `TOOL_MISSING`. */
export async function fetchRevision(source: RevisionSource, context: SourceContext): Promise<string> {
  const { type, location } = source;
  if (!location.startsWith("/") && !schemes.test(location)) {
    throw new DowelError("SOURCE_FETCH", `${source.where}: expected an http, https, svn, bzr or file URL: ${location}`);
  }
  const folder = checkoutPath(source, context);
  const url = type === "svn" && location.startsWith("/") ? `file://${location}` : location;
  const doing = `Cannot fetch ${location}`;
  const options = { doing, code: "SOURCE_FETCH", signal: context.signal, env: { BZR_LOG: "/dev/null" } } as const;
  const words = type === "svn" ? ["info", "--show-item", "revision", "--", folder] : ["revno", "--tree", folder];
  const ask = async () => (await runTool(type, words, options)).trim();
  const isThere = existsSync(folder);
  if (isThere && source.revision !== undefined && (await ask()) === source.revision) return source.revision;
  context.report({ type: "fetch.start", name: location, size: 0 });
  await runTool(type, fetchWords({ ...source, location: url }, folder, isThere), options);
  context.report({ type: "fetch.done", name: location, size: 0, reused: false });
  return await ask();
}

/** Puts the checked out files into a folder. */
export function placeRevision(source: RevisionSource, folder: string, context: SourceContext): void {
  const from = checkoutPath(source, context);
  const isOwn = (path: string) => !/\/\.(svn|bzr)(\/|$)/.test(path.slice(from.length));
  cpSync(from, folder, { recursive: true, verbatimSymlinks: true, filter: isOwn });
  sanitise(folder, source.location);
}
