// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { addRemote, deleteRemote, listRemotes } from "../remotes/config.ts";
import { trustOnFirstUse, withdrawTrust } from "../remotes/trust/choice.ts";
import type { ChangeContext, FetchOperation } from "./fetch.ts";
import { originSettings } from "./origin.ts";
import type { NewRemote } from "./types.ts";

/**
 * Makes the remotes that operations need and that are not there yet, so that each is there before a deployment names it.
 * At the end those go again that nothing was installed from, and the trust in their places with them.
 */
export async function makeRemotes(
  operations: readonly FetchOperation[],
  context: ChangeContext,
): Promise<AsyncDisposable> {
  const { installation, signal } = context;
  const wanted = new Map<string, NewRemote>();
  for (const { newRemote } of operations) if (newRemote !== undefined) wanted.set(newRemote.name, newRemote);
  for (const { name } of wanted.size === 0 ? [] : listRemotes(installation)) wanted.delete(name);
  const trusted = new Set<string>();
  for (const { name, url, settings } of wanted.values()) {
    await addRemote(installation, name, { ...(settings ?? originSettings), url }, { ifNotExists: true, signal });
    if (await trustOnFirstUse(installation, url, signal)) trusted.add(url);
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const { name, url } of wanted.values()) {
        const dropped = await dropUnused(name, context);
        if (dropped && trusted.has(url)) await withdrawTrust(installation, url);
      }
    },
  };
}

async function dropUnused(name: string, { installation }: ChangeContext): Promise<boolean> {
  try {
    await deleteRemote(installation, name);
    return true;
  } catch (error) {
    // In use, as it should be, or gone already.
    if (!isDowelError(error)) throw error;
    return false;
  }
}
