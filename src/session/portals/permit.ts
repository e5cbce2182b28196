// SPDX-License-Identifier: Apache-2.0
import type { CallingApp } from "./app.ts";
import { runBackend } from "./command.ts";
import type { Decision } from "./decide.ts";
import type { BackendServices } from "./served.ts";

/**
 * Whether an app may do something. Where that is to be asked, the maker's command `ask` gets the question and says yes by
 * ending well; without one the answer is no.
 */
export async function permit(
  services: BackendServices,
  app: CallingApp,
  [table, id]: readonly [table: string, id: string],
  otherwise: Decision,
  question: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<boolean> {
  const decision = await services.decide(app, table, id, otherwise);
  if (decision !== "ask") return decision === "yes";
  const command = services.backends().commands.get("ask");
  if (command === undefined) return false;
  try {
    await runBackend(services.loop, command, { app: app.id, table, id, ...question }, signal);
    return true;
  } catch {
    return false;
  }
}
