// SPDX-License-Identifier: Apache-2.0
import { writeSync } from "node:fs";
import { errnoOf, fileError } from "../base/errors.ts";
import { sleepSync } from "../sys/runtime.ts";
import { isTerminal, terminalWidth } from "../sys/terminal.ts";

/** Where a command's words go. Writes are synchronous, so that nothing is lost at the end and order is kept. */
export interface Terminal {
  /** Standard output is for a person: headers, alignment. */
  readonly fancy: boolean;
  /** Standard error is a terminal that can show progress in place. */
  readonly live: boolean;
  readonly width: number;
  /** Somebody sits at standard input. */
  readonly canAsk: boolean;
  out(text: string): void;
  err(text: string): void;
}

/** Writes all of a text; a reader that went away (EPIPE) ends the output, not the program. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(fd, bytes, offset);
    } catch (error) {
      const errno = errnoOf(error);
      // Where standard error cannot be written there is nobody left to tell.
      if (errno === "EPIPE" || (fd === 2 && errno !== "EAGAIN")) return;
      if (errno !== "EAGAIN") throw fileError(error, "write", "standard output");
      sleepSync(1);
    }
  }
}

export function processTerminal(): Terminal {
  const plain = process.env["FLATPAK_FANCY_OUTPUT"] === "0" || process.env["TERM"] === "dumb";
  const [reads, writes, tells] = [isTerminal(0), isTerminal(1), isTerminal(2)];
  return {
    fancy: writes && !plain,
    live: tells && !plain,
    get width() {
      return terminalWidth(2) ?? 80;
    },
    canAsk: reads && tells,
    out: (text) => writeAll(1, text),
    err: (text) => writeAll(2, text),
  };
}
