// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { Ref } from "../../metadata/ref.ts";

/**
 * Splits the `Exec` of a desktop entry or D-Bus service into words, by the quoting rules of a shell that they share:
 * white space separates, single quotes are literal, in double quotes a backslash escapes `"`, `` ` ``, `$` and `\`.
 * Undefined where a quote or an escape is not closed.
 */
export function splitCommand(text: string): string[] | undefined {
  const words: string[] = [];
  const pattern = /\s*((?:[^\s'"\\]|\\[\s\S]|'[^']*'|"(?:[^"\\]|\\[\s\S])*")+)/y;
  const end = text.trimEnd().length;
  while (pattern.lastIndex < end) {
    const match = pattern.exec(text);
    if (match?.[1] === undefined) return undefined;
    words.push(unquote(match[1]));
  }
  return words;
}

function unquote(word: string): string {
  return word.replace(/\\([\s\S])|'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"/g, (_, escaped, single, double) => {
    if (escaped !== undefined) return escaped === "\n" ? "" : String(escaped);
    if (single !== undefined) return String(single);
    return String(double).replace(/\\([$`"\\])/g, "$1");
  });
}

/** Double quotes with escapes are the one form that desktop entries, D-Bus services and shells read alike. */
function quoteWord(word: string): string {
  return /^[A-Za-z0-9\-_%.=:/@]+$/.test(word) ? word : `"${word.replace(/["`$\\]/g, "\\$&")}"`;
}

export interface ExportedCommand {
  /** The words that call Dowel. */
  readonly program: readonly string[];
  readonly ref: Ref;
  /** `Exec` of the app's own file; undefined or malformed: the app's own command is run. */
  readonly exec: string | undefined;
  /** `X-Flatpak-RunOptions`. */
  readonly runOptions: readonly string[];
  /** For messages. */
  readonly file: string;
}

const allowedRunOptions = new Set(["no-a11y-bus", "no-documents-portal"]);

/**
 * The `Exec` that runs an app's command in its sandbox. Files and addresses that a launcher puts in are forwarded:
 * `%f` and `%F` stand between `@@` marks, `%u` and `%U` between `@@u` and `@@`. A word of the app's own that begins with
 * `@@` would have any file of the host forwarded, so it is `EXPORT_INVALID` (CVE-2021-21381).
 */
export function sandboxedCommand({ program, ref, exec, runOptions, file }: ExportedCommand): string {
  const words = [...program, "run", `--branch=${ref.branch}`, `--arch=${ref.arch}`];
  for (const option of runOptions) if (allowedRunOptions.has(option)) words.push(`--${option}`);
  const [command, ...rest] = (exec === undefined ? undefined : splitCommand(exec)) ?? [];
  if (command === undefined) return [...words, ref.id].map(quoteWord).join(" ");
  words.push(`--command=${command}`);
  const forwarded = rest.flatMap((word) => forward(word, file));
  if (forwarded.length > rest.length) words.push("--file-forwarding");
  return [...words, ref.id, ...forwarded].map(quoteWord).join(" ");
}

function forward(word: string, file: string): string[] {
  if (word.startsWith("@@")) {
    throw new DowelError("EXPORT_INVALID", `${file}: a word of Exec must not begin with "@@"`, {
      hint: "The app may try to read files of the host. Do not install it.",
    });
  }
  const lower = word.toLowerCase();
  if (lower === "%f") return ["@@", word, "@@"];
  return lower === "%u" ? ["@@u", word, "@@"] : [word];
}
