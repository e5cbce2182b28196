// SPDX-License-Identifier: Apache-2.0
import type { CommandContext, StricliProcess } from "@stricli/core";
import type { Report } from "../base/events.ts";
import { humanReporter, jsonReporter } from "../render/reporter.ts";
import type { Terminal } from "../render/terminal.ts";
import type { DefinedCommand } from "./define.ts";

/** What a command's function gets as `this`. */
export interface Context extends CommandContext {
  readonly process: StricliProcess;
  readonly terminal: Terminal;
  /** All words after the program's name, as typed. */
  readonly words: readonly string[];
  readonly signal: AbortSignal;
  /** For what speaks of commands: manual pages and completion. */
  readonly set: CommandSet;
}

export interface CommandEntry {
  readonly brief: string;
  readonly hidden?: boolean;
  /** Reads the command's own file. */
  readonly load: () => Promise<{ readonly default: DefinedCommand }>;
}

/** The commands that there are. */
export interface CommandSet {
  /** By the words typed. */
  readonly commands: Readonly<Record<string, CommandEntry>>;
  /** Other names, and the words that they stand for. */
  readonly aliases: Readonly<Record<string, string>>;
  /** Whether a first word takes the next one with it. */
  readonly takesNextWord: (word: string, next: string) => boolean;
}

/** Runs a piece of work whose events are shown while it goes on: as JSON lines, or for a person. */
export async function withReporter<T>(
  context: Context,
  json: boolean,
  work: (report: Report) => Promise<T>,
): Promise<T> {
  using reporter = json ? jsonReporter(context.terminal) : humanReporter(context.terminal);
  return await work(reporter.report);
}
