// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync } from "node:fs";
import { fileError } from "../base/errors.ts";

/** Makes a folder whose name begins with a path and goes on as no other does. Throws `NO_SPACE`, `NOT_PERMITTED`, `IO`. */
export function makeTempFolder(prefix: string): string {
  try {
    return mkdtempSync(prefix);
  } catch (error) {
    throw fileError(error, "make a folder", `${prefix}…`);
  }
}
