// SPDX-License-Identifier: Apache-2.0
import { hasControlCharacters } from "./names.ts";

/** `none` takes away what a lower layer or a wider token gives. */
export type FilesystemMode = "none" | "ro" | "rw" | "create";

export interface FilesystemToken {
  /**
   * `host`, `host-os`, `host-etc`, `host-root`, `home`, `~/X`, `/X`, or an xdg name with or without `/X`;
   * normalised: no doubled or trailing slashes.
   */
  readonly path: string;
  readonly mode: FilesystemMode;
  /** `!host:reset`: forgets all filesystems of the layers below. */
  readonly reset: boolean;
}

export type FilesystemProblem = "control characters" | "syntax" | "unknown name" | "unknown suffix";

/** The xdg names that stand for folders of user-dirs(5), with the key each has there. */
export const xdgUserFolders: ReadonlyMap<string, string> = new Map([
  ["xdg-desktop", "DESKTOP"],
  ["xdg-documents", "DOCUMENTS"],
  ["xdg-download", "DOWNLOAD"],
  ["xdg-music", "MUSIC"],
  ["xdg-pictures", "PICTURES"],
  ["xdg-public-share", "PUBLICSHARE"],
  ["xdg-templates", "TEMPLATES"],
  ["xdg-videos", "VIDEOS"],
]);

const otherXdgFolders = new Set(["xdg-data", "xdg-cache", "xdg-config"]);
const wholeTokens = new Set(["host", "host-os", "host-etc", "host-root"]);

/** Splits at the first colon that no backslash escapes, and takes the escapes out of what comes before. */
function splitSuffix(text: string): { path: string; suffix: string | undefined } {
  let path = "";
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index] ?? "";
    if (character === ":") return { path, suffix: text.slice(index + 1) };
    if (character === "\\") index += 1;
    path += character === "\\" ? (text[index] ?? "") : character;
  }
  return { path, suffix: undefined };
}

/** Normalises the path of a token; undefined for `..`, for `/` alone and for what no token looks like. */
function normalisePath(path: string): string | undefined {
  if (path === "~") return "home";
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..")) return undefined;
  if (path.startsWith("/")) return names.length === 0 ? undefined : `/${names.join("/")}`;
  const [first = "", ...rest] = names;
  if (first === "~" || first === "home") return rest.length === 0 ? "home" : `~/${rest.join("/")}`;
  return names.join("/");
}

function isKnown(path: string): boolean {
  if (path === "home" || path.startsWith("~/") || path.startsWith("/") || wholeTokens.has(path)) return true;
  const [first = "", ...rest] = path.split("/");
  if (first === "xdg-run") return rest.length > 0;
  return xdgUserFolders.has(first) || otherXdgFolders.has(first);
}

function modeOf(suffix: string | undefined): FilesystemMode | undefined {
  if (suffix === undefined || suffix === "rw") return "rw";
  return suffix === "ro" || suffix === "create" ? suffix : undefined;
}

/**
 * Reads one item of `filesystems=` or the value of `--filesystem`; `!` in front denies. Answers the problem where
 * there is one: the caller knows whether it is an error or an item to leave out.
 */
export function parseFilesystem(text: string): FilesystemToken | FilesystemProblem {
  if (hasControlCharacters(text)) return "control characters";
  const denied = text.startsWith("!");
  const { path: raw, suffix } = splitSuffix(denied ? text.slice(1) : text);
  if (raw === "host-reset" && denied && suffix === undefined) return { path: "host", mode: "none", reset: true };
  const path = normalisePath(raw);
  if (path === undefined) return "syntax";
  if (!isKnown(path)) return "unknown name";
  if (suffix === "reset") return denied && path === "host" ? { path, mode: "none", reset: true } : "syntax";
  const mode = modeOf(suffix);
  if (mode === undefined) return "unknown suffix";
  return { path, mode: denied ? "none" : mode, reset: false };
}

/** Writes a token as `filesystems=` holds it; the inverse of `parseFilesystem`. */
export function formatFilesystem(path: string, mode: FilesystemMode): string {
  const escaped = path.replace(/[\\:]/g, "\\$&");
  if (mode === "none") return `!${escaped}`;
  return mode === "rw" ? escaped : `${escaped}:${mode}`;
}
