// SPDX-License-Identifier: Apache-2.0
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { DowelError } from "../../base/errors.ts";
import { pathAccess } from "../../sandbox/spec/access.ts";
import type { RunRequest } from "./describe.ts";
import { describeForReading } from "./read.ts";

/** Hands files over to an app: answers where its sandbox sees each; what cannot be handed over is left out. */
export type ShareFiles = (
  id: string,
  paths: readonly string[],
  signal?: AbortSignal,
) => Promise<ReadonlyMap<string, string>>;

/** A word for an app, and the file that it names where it stood between marks. */
export interface ForwardedWord {
  readonly word: string;
  /** Absolute. */
  readonly path: string | undefined;
  readonly isUri: boolean;
}

function pathOf(word: string, isUri: boolean): string | undefined {
  if (!isUri || !/^[a-z][a-z0-9+.-]*:/i.test(word)) return resolve(word);
  if (!word.toLowerCase().startsWith("file:")) return undefined;
  try {
    const path = fileURLToPath(word);
    return path.includes("\0") ? undefined : path;
  } catch {
    return undefined;
  }
}

/**
 * Takes the marks of `--file-forwarding` out of an app's words: `@@ PATH… @@` and `@@u URI… @@`, as exported desktop
 * files have them. Throws `USAGE` where a mark is not closed or a word between marks is empty.
 */
export function takeForwardingMarks(words: readonly string[]): ForwardedWord[] {
  const result: ForwardedWord[] = [];
  let mark: string | undefined;
  for (const word of words) {
    if (mark !== undefined && word === "@@") mark = undefined;
    else if (mark === undefined && (word === "@@" || word === "@@u")) mark = word;
    else if (mark !== undefined && word === "") {
      throw new DowelError("USAGE", "An empty word stands between the marks @@ and @@");
    } else {
      const isUri = mark === "@@u";
      result.push({ word, path: mark === undefined ? undefined : pathOf(word, isUri), isUri });
    }
  }
  if (mark !== undefined) throw new DowelError("USAGE", "The mark @@ is not closed by another @@");
  return result;
}

/**
 * A file that was passed on open, as portals do: it is handed over itself, and named by where it lies now. Other paths are
 * taken as they are.
 */
function placeOf(path: string): string {
  if (!/^\/proc\/self\/fd\/\d+$/.test(path)) return path;
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/**
 * The words that an app gets: files that its permissions do not show are handed over, and named as its sandbox sees them.
 * Where that cannot be, or the sandbox does without, names stay as they are.
 */
export async function forwardFiles(
  request: RunRequest,
  words: readonly string[],
  share: ShareFiles,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const marked = takeForwardingMarks(words);
  const paths = [...new Set(marked.flatMap(({ path }) => path ?? []))];
  if (paths.length === 0 || request.sandboxed || !request.documents) return marked.map(({ word }) => word);
  const { specification, host } = await describeForReading(request, signal);
  if (!specification.identity.ref.startsWith("app/")) return marked.map(({ word }) => word);
  const places = new Map(paths.map((path) => [path, placeOf(path)]));
  const hidden = paths.filter((path) => pathAccess(specification, host, places.get(path) ?? path) === "hidden");
  const shared =
    hidden.length === 0 ? new Map<string, string>() : await share(specification.identity.id, hidden, signal);
  return marked.map(({ word, path, isUri }) => {
    if (path === undefined) return word;
    const place = places.get(path) ?? path;
    const seen = shared.get(path) ?? (place === path ? undefined : place);
    return seen === undefined ? word : isUri ? pathToFileURL(seen).href : seen;
  });
}
