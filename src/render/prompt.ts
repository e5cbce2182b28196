// SPDX-License-Identifier: Apache-2.0
import { readSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
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

/** Asks a person; yes is the default on an empty line, and nobody there means no. */
export function askYesNo(terminal: Terminal, question: string): boolean {
  if (!terminal.canAsk) return false;
  for (;;) {
    terminal.err(`${question} [Y/n]: `);
    const answer = readLine()?.trim().toLowerCase();
    if (answer === undefined) return false;
    if (answer === "" || answer === "y" || answer === "yes") return true;
    if (answer === "n" || answer === "no") return false;
  }
}
