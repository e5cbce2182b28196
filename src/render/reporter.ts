// SPDX-License-Identifier: Apache-2.0

import type { DowelEvent, PlannedOperation, Report } from "../base/events.ts";
import { escapeForTerminal } from "../base/text.ts";
import { toJson } from "./json.ts";
import { formatSize } from "./size.ts";
import type { Terminal } from "./terminal.ts";

export interface Reporter extends Disposable {
  readonly report: Report;
}

/** Prints every event as one line of JSON on standard output. */
export function jsonReporter(terminal: Terminal): Reporter {
  return { report: (event) => terminal.out(`${toJson(event)}\n`), [Symbol.dispose]: () => undefined };
}

const operationWords: Readonly<Record<string, string>> = {
  install: "Installing",
  update: "Updating",
  uninstall: "Uninstalling",
  switch: "Changing the version of",
};

/** One line for each operation of a plan: what, which ref, from where, how much to fetch; below it new permissions. */
function describeOperations(operations: readonly PlannedOperation[]): string {
  const lines = operations.map(({ operation, ref, origin, downloadSize, permissions = [], newPermissions = [] }) => {
    const size = downloadSize === undefined || downloadSize === 0 ? "" : `, ${formatSize(downloadSize)} to fetch`;
    const line = (what: string, items: readonly string[]): string =>
      items.length === 0 ? "" : `      ${what}: ${items.join(" ")}\n`;
    const granted = line("permissions", permissions) + line("new permissions", newPermissions);
    return `  ${operation}  ${ref}  (${origin}${size})\n${granted}`;
  });
  return escapeForTerminal(lines.join(""), true);
}

/** The line that stays for an event, or undefined for events that only move the progress. */
function lineOf(event: DowelEvent): string | undefined {
  switch (event.type) {
    case "transaction.plan":
      return describeOperations(event.operations).trimEnd() || undefined;
    case "operation.start":
      return `${operationWords[event.operation] ?? event.operation} ${event.ref}`;
    case "operation.skip":
      return `Skipping ${event.ref}: ${event.reason}`;
    case "deploy.done":
      return `  ${event.files} files, ${event.newObjects} contents that were not here before`;
    case "push.done":
      return `Pushed ${event.reference} (${event.digest})`;
    case "build.stage":
      return `${event.cached ? "Cached " : "Stage  "} ${event.stage}`;
    case "build.command":
      return `  $ ${event.command}`;
    case "build.done":
      return `Built ${event.ref} (${event.digest})`;
    case "registry.listening":
      return `Listening on ${event.address}`;
    case "registry.request":
      return `${event.status} ${event.method} ${event.path}`;
    case "note":
      return event.text;
    case "warning":
      return `warning: ${event.text}`;
    default:
      return undefined;
  }
}

const progressIntervalMilliseconds = 100;

class HumanReporter implements Reporter {
  readonly #terminal: Terminal;
  readonly #transfers = new Map<string, { done: number; readonly size: number }>();
  /** What the transaction fetches in all, and what of it has come; 0 where no plan said so. */
  #planned = 0;
  #fetched = 0;
  #operations = 0;
  #finished = 0;
  #shown = false;
  #lastShown = Number.NEGATIVE_INFINITY;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  readonly report: Report = (event) => {
    this.#track(event);
    const line = event.type === "build.output" ? event.text.replace(/\n$/, "") : lineOf(event);
    if (line !== undefined) this.#print(`${escapeForTerminal(line, true)}\n`);
    else this.#showProgress();
  };

  #track(event: DowelEvent): void {
    switch (event.type) {
      case "transaction.plan":
        this.#planned = event.operations.reduce((sum, { downloadSize = 0 }) => sum + downloadSize, 0);
        this.#operations = event.operations.length;
        this.#fetched = 0;
        this.#finished = 0;
        break;
      case "operation.done":
        this.#finished += 1;
        break;
      case "fetch.start":
        this.#transfers.set(event.name, { done: 0, size: event.size });
        break;
      case "fetch.progress":
        this.#transfers.set(event.name, { done: event.done, size: event.size });
        break;
      case "fetch.done":
        if (this.#transfers.delete(event.name)) this.#fetched += event.size;
        break;
      default:
    }
  }

  #print(text: string): void {
    this.#clear();
    this.#terminal.err(text);
  }

  #clear(): void {
    if (this.#shown) this.#terminal.err("\r\u001b[K");
    this.#shown = false;
  }

  #showProgress(): void {
    if (!this.#terminal.live) return;
    if (this.#transfers.size === 0) {
      this.#clear();
      return;
    }
    const now = performance.now();
    if (now - this.#lastShown < progressIntervalMilliseconds) return;
    this.#lastShown = now;
    let done = this.#fetched;
    let running = this.#fetched;
    for (const transfer of this.#transfers.values()) {
      done += transfer.done;
      running += transfer.size;
    }
    const size = Math.max(this.#planned, running);
    const percent = size === 0 ? 0 : Math.min(100, Math.floor((done * 100) / size));
    const count = this.#operations < 2 ? "" : `  ${this.#finished} of ${this.#operations} done`;
    const line = `  ${String(percent).padStart(3)} %  ${formatSize(done)} of ${formatSize(size)}${count}`;
    this.#terminal.err(`\r\u001b[K${line.slice(0, this.#terminal.width - 1)}`);
    this.#shown = true;
  }

  [Symbol.dispose](): void {
    this.#clear();
  }
}

/** Shows events to a person on standard error: one line for what happened, progress in place where that is a terminal. */
export function humanReporter(terminal: Terminal): Reporter {
  return new HumanReporter(terminal);
}
