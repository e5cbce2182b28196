// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { readSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { escapeForTerminal } from "../base/text.ts";
import type { Terminal } from "./terminal.ts";

/** One line of standard input without its end; undefined at the end of input. */
function readLine(): string | undefined {
  const bytes: number[] = [];
  const buffer = Buffer.alloc(1);
  for (;;) {
    try {
      if (readSync(0, buffer, 0, 1, null) === 0) return bytes.length === 0 ? undefined : Buffer.from(bytes).toString();
    } catch (error) {
      if (errnoOf(error) === "EAGAIN") continue;
      throw error;
    }
    const [byte = 0] = buffer;
    if (byte === 0x0a) return Buffer.from(bytes).toString();
    bytes.push(byte);
  }
}

/**
 * Asks which of some things is meant, of one thing whether it is; its index, or undefined for none of them or where nobody
 * is there.
 */
export function askNumber(terminal: Terminal, question: string, items: readonly string[]): number | undefined {
  if (!terminal.canAsk) return undefined;
  const [only, second] = items;
  if (only !== undefined && second === undefined) {
    return askYesNo(terminal, `${question}\n  ${only}\nUse it?`) ? 0 : undefined;
  }
  const lines = items.map((item, at) => `  ${at + 1}) ${item}\n`).join("");
  terminal.err(escapeForTerminal(`${question}\n${lines}`, true));
  for (;;) {
    terminal.err(`Number, or 0 for none [0-${items.length}]: `);
    const answer = readLine()?.trim();
    if (answer === undefined || answer === "0") return undefined;
    const number = /^[0-9]{1,6}$/.test(answer) ? Number(answer) : 0;
    if (number >= 1 && number <= items.length) return number - 1;
  }
}

/** Asks a person for a line; undefined where nobody is there or answers. */
export function askText(terminal: Terminal, question: string): string | undefined {
  if (!terminal.canAsk) return undefined;
  terminal.err(question);
  return readLine()?.trim();
}

/** As `askText`, without showing what is typed. */
export function askSecret(terminal: Terminal, question: string): string | undefined {
  if (!terminal.canAsk) return undefined;
  terminal.err(question);
  const stty = (setting: string): void => void spawnSync("stty", [setting], { stdio: ["inherit", "ignore", "ignore"] });
  stty("-echo");
  try {
    return readLine();
  } finally {
    stty("echo");
    terminal.err("\n");
  }
}

/** Asks a person; `standard` is the answer of an empty line, and nobody there means no. */
export function askYesNo(terminal: Terminal, question: string, standard: "yes" | "no" = "yes"): boolean {
  if (!terminal.canAsk) return false;
  for (;;) {
    terminal.err(escapeForTerminal(`${question} ${standard === "yes" ? "[Y/n]" : "[y/N]"}: `, true));
    const answer = readLine()?.trim().toLowerCase();
    if (answer === undefined) return false;
    if (answer === "") return standard === "yes";
    if (answer === "y" || answer === "yes") return true;
    if (answer === "n" || answer === "no") return false;
  }
}
