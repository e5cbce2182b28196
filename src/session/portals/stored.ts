// SPDX-License-Identifier: Apache-2.0
import type { EventLoop } from "../../loop/loop.ts";
import { usePermissions } from "../permissions/store.ts";
import type { CallingApp } from "./app.ts";
import type { Decide, Decision } from "./decide.ts";

/** A store that hangs must not keep an app waiting for long. */
const answerMilliseconds = 5000;

/** The first of an app's permissions, where it is one of those that portals know. */
export function decisionIn(permissions: readonly string[] | undefined): Decision | undefined {
  const [first] = permissions ?? [];
  return first === "yes" || first === "no" || first === "ask" ? first : undefined;
}

/**
 * Decides by the permission store of the session, or its files where none runs; where they say nothing, what the portal
 * says itself counts. A store that fails, or a table that is damaged, lets nothing through.
 */
export function decideByStore(
  loop: EventLoop,
  environment: Readonly<Record<string, string | undefined>>,
  failed: (error: unknown) => void,
): Decide {
  return async (app: CallingApp, table: string, id: string, otherwise: Decision): Promise<Decision> => {
    const late = new AbortController();
    using _timer = loop.after(answerMilliseconds, () => late.abort());
    try {
      const found = await usePermissions(loop, environment, late.signal, (store) => store.lookup(table, id));
      return decisionIn(found?.apps.get(app.id)) ?? otherwise;
    } catch (error) {
      failed(error);
      return "no";
    }
  };
}
