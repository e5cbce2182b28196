// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { addRemote, deleteRemote, listRemotes } from "../remotes/config.ts";
import { adoptKey, trustOnFirstUse, withdrawTrust } from "../remotes/trust/choice.ts";
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
  await using made = new AsyncDisposableStack();
  made.defer(async () => {
    for (const { name, url } of wanted.values()) {
      const dropped = await dropUnused(name, context);
      if (dropped && trusted.has(url)) await withdrawTrust(installation, url);
    }
  });
  for (const { name, url, settings, gpgKey } of wanted.values()) {
    await addRemote(installation, name, { ...(settings ?? originSettings), url }, { ifNotExists: true, signal });
    const changed =
      gpgKey === undefined
        ? await trustOnFirstUse(installation, url, signal)
        : await adoptKey(installation, url, gpgKey, signal);
    if (changed) trusted.add(url);
  }
  return made.move();
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
