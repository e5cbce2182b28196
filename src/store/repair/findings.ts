// SPDX-License-Identifier: Apache-2.0
import type { RepairFinding } from "../../base/events.ts";

export type FindingKind =
  | "folder"
  | "file"
  | "object"
  | "layer"
  | "image"
  | "deployment"
  | "link"
  | "export"
  | "mount"
  | "index"
  | "settings"
  | "temporary";

/**
 * `missing`, `damaged` (other content than it should have), `mode` (wrong permissions), `dangling` (a link to nothing),
 * `foreign` (something that Dowel did not make), `leftover` (what an interrupted change left: it costs space, no more).
 */
export type FindingWhat = "missing" | "damaged" | "mode" | "dangling" | "foreign" | "leftover";

/** One thing that is not as it should be. */
export interface Finding extends RepairFinding {
  readonly kind: FindingKind;
  readonly what: FindingWhat;
}

/** A finding that may be mended later; `isMended` looks again. */
interface Open {
  readonly finding: Finding;
  readonly isMended: () => boolean;
}

/** Collects findings; those that need more than the store itself are looked at again in the end. */
export class Findings {
  readonly #done: Finding[] = [];
  readonly #open: Open[] = [];
  readonly mend: boolean;

  /** `mend`: whether to change anything at all. */
  constructor(mend: boolean) {
    this.mend = mend;
  }

  /**
   * Notes something, and mends it at once where a way is given and mending is wanted. A text that it answers is added
   * to the detail, and so are its errors.
   */
  add(kind: FindingKind, what: FindingWhat, path: string, detail: string, mend?: () => unknown): void {
    let mended = false;
    let text = detail;
    if (this.mend && mend !== undefined) {
      try {
        const more = mend();
        if (typeof more === "string") text = `${detail}; ${more}`;
        mended = true;
      } catch (error) {
        text = `${detail}; ${error instanceof Error ? error.message : String(error)}`;
      }
    }
    this.#done.push({ kind, path, what, detail: text, mended });
  }

  /** Notes something that others mend; `isMended` tells in the end whether they did. */
  addOpen(kind: FindingKind, what: FindingWhat, path: string, detail: string, isMended: () => boolean): void {
    this.#open.push({ finding: { kind, path, what, detail, mended: false }, isMended });
  }

  /** All findings, those of others looked at again where something was mended. */
  close(): readonly Finding[] {
    const late = this.#open.map(({ finding, isMended }) => ({ ...finding, mended: this.mend && isMended() }));
    return [...this.#done, ...late];
  }
}
