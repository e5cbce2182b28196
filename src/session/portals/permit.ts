// SPDX-License-Identifier: Apache-2.0
import { usePermissions } from "../permissions/store.ts";
import { accessBackend, askPerson } from "../service/dialog.ts";
import type { CallingApp } from "./app.ts";
import { runBackend } from "./command.ts";
import type { Decision } from "./decide.ts";
import type { BackendServices } from "./served.ts";

/** What is decided about: a table of the permission store and an id in it. */
type Subject = readonly [table: string, id: string];

/**
 * Whether an app may do something. Where that is to be asked, the maker's command `ask` gets the question and says yes by
 * ending well; without one the answer is no.
 */
export async function permit(
  services: BackendServices,
  app: CallingApp,
  [table, id]: Subject,
  otherwise: Decision,
  question: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<boolean> {
  const decision = await services.decide(app, table, id, otherwise);
  if (decision !== "ask") return decision === "yes";
  const command = services.backends().commands.get("ask");
  if (command === undefined) return false;
  return await services.questions.ask(app.id, table, signal, async () => {
    try {
      await runBackend(services.loop, command, { app: app.id, table, id, ...question }, signal);
      return true;
    } catch {
      return false;
    }
  });
}

/** The answer of a person at the desktop; undefined where there is nobody, or the question was put away. */
async function askAtDesktop(
  { buses, environment }: BackendServices,
  app: CallingApp,
  { title, reason }: { readonly title: string; readonly reason: string },
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const backend = accessBackend(environment);
  if (backend === undefined) return undefined;
  return await askPerson(await buses.connect("session"), backend, app.id, title, reason, signal);
}

/**
 * The same for what is asked once: where the maker has no command, a person at the desktop, whose answer is kept in the
 * permission store.
 */
export async function permitOnce(
  services: BackendServices,
  app: CallingApp,
  [table, id]: Subject,
  otherwise: Decision,
  question: { readonly title: string; readonly reason: string },
  signal: AbortSignal,
): Promise<boolean> {
  const decision = await services.decide(app, table, id, otherwise);
  if (decision !== "ask" || services.backends().commands.has("ask")) {
    return await permit(services, app, [table, id], decision, question, signal);
  }
  return await services.questions.ask(app.id, table, signal, async () => {
    // The answer to the question before may be the answer to this one.
    const now = await services.decide(app, table, id, otherwise);
    if (now !== "ask") return now === "yes";
    const answer = await askAtDesktop(services, app, question, signal);
    if (answer === undefined || signal.aborted) return false;
    await usePermissions(services.loop, services.environment, signal, (store) =>
      store.set(table, id, app.id, [answer ? "yes" : "no"]),
    );
    return answer;
  });
}
