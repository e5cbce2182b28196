// SPDX-License-Identifier: Apache-2.0
import type { Report } from "../base/events.ts";
import { isServed } from "../engine/places.ts";
import type { Installation } from "../store/installation.ts";
import { carryOutPlain } from "./carryout.ts";
import type { PlainChange } from "./change.ts";
import { SystemService } from "./client.ts";

export interface ApplyOptions {
  readonly installation: Installation;
  readonly report: Report;
  readonly signal: AbortSignal;
  /** A password may be asked for. */
  readonly interactive: boolean;
}

/**
 * Does changes in their order: with this process's own rights where it may write to the installation, else through the
 * system service. Answers whether anything had to be done. Throws `NOT_PERMITTED` where neither is possible.
 */
export async function applyChanges(changes: readonly PlainChange[], options: ApplyOptions): Promise<boolean> {
  const { installation, signal } = options;
  if (changes.length === 0) return false;
  using service = isServed(installation) ? await SystemService.connect(installation, signal) : undefined;
  let changed = false;
  for (const change of changes) {
    const done = await (service?.carryOutChange(change, options) ?? carryOutPlain(change, options));
    changed = changed || done;
  }
  return changed;
}
