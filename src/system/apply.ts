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
 * Does a change: with this process's own rights where it may write to the installation, else through the system service.
 * Answers whether anything had to be done. Throws `NOT_PERMITTED` where neither is possible.
 */
export async function applyChange(change: PlainChange, options: ApplyOptions): Promise<boolean> {
  const { installation, signal } = options;
  if (!isServed(installation)) return await carryOutPlain(change, options);
  using service = await SystemService.connect(installation, signal);
  return await service.carryOutChange(change, options);
}
