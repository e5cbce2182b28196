// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fileError } from "../base/errors.ts";
import { readPlainFile } from "../sys/plainfile.ts";
import type { Installation } from "./installation.ts";

/**
 * The file `pins`, which imports lock, also tells whether each of them came to its end: `+` for one that began, `-` for
 * one after which every new object belongs to an image. Where they are as many, no object can be a stray one, and
 * whoever collects garbage need not look at all objects.
 */
function ledger(installation: Pick<Installation, "path">): string {
  return join(installation.path, "pins");
}

/** To be called before an import writes any object, while it holds a pin. Throws `NO_SPACE` or `IO`. */
export function noteBegin(installation: Installation): void {
  const path = ledger(installation);
  try {
    appendFileSync(path, "+", { flag: "a" });
  } catch (error) {
    throw fileError(error, "write", path);
  }
}

/** To be called when every object that an import wrote belongs to an image. */
export function noteEnd(installation: Installation): void {
  try {
    appendFileSync(ledger(installation), "-", { flag: "a" });
  } catch {
    // It then counts as not ended, which costs time and nothing else.
  }
}

/** Whether there may be objects that no image ever had. To be called while nobody holds a pin. */
export function mayHaveStrays(installation: Installation): boolean {
  let begun = 0;
  for (const byte of readLedger(installation)) begun += byte === 0x2b ? 1 : -1;
  return begun !== 0;
}

function readLedger(installation: Installation): Uint8Array {
  try {
    return readPlainFile(ledger(installation));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return new Uint8Array(0);
    throw fileError(error, "read", ledger(installation));
  }
}

/** Says that there are none; to be called while nobody holds a pin. */
export function noteNoStrays(installation: Installation): void {
  try {
    truncateSync(ledger(installation));
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileError(error, "write", ledger(installation));
  }
}
