// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { askYesNo } from "../render/prompt.ts";
import type { Context } from "./context.ts";

/** Asks before something is lost, unless told not to. Throws `ABORTED` where the answer is no or nobody can be asked. */
export function confirmLoss(
  context: Context,
  flags: { readonly assumeyes?: boolean; readonly noninteractive?: boolean; readonly json?: boolean },
  question: string,
): void {
  const { terminal } = context;
  if (flags.assumeyes === true || flags.noninteractive === true || askYesNo(terminal, question)) return;
  const hint = terminal.canAsk ? {} : { hint: "Nobody can be asked here; give -y to go on without a question." };
  throw new DowelError("ABORTED", "Nothing was changed", hint);
}
