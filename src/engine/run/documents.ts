// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync, statSync } from "node:fs";
import { basename } from "node:path";
import { errnoOf, isDowelError } from "../../base/errors.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import { O_PATH } from "../../sys/beneath.ts";

const portal = "org.freedesktop.portal.Documents";
export const documentPortal = { destination: portal, path: "/org/freedesktop/portal/documents", interface: portal };

/** Flags of `AddFull`: the same file keeps its id; it stays over sessions; it is a folder (version 4 of the portal). */
export const documentFlag = { reuse: 1, persistent: 2, folder: 8 } as const;

/** Everything that the caller may do with a file itself. */
const permissions = ["read", "write", "grant-permissions"];

/** Where sandboxes see the portal's files. */
const shownAt = "/run/flatpak/doc";

async function addDocument(peer: BusPeer, id: string, path: string, signal?: AbortSignal): Promise<string | undefined> {
  let fd: number;
  try {
    fd = openSync(path, O_PATH | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
  try {
    const flags = statSync(path).isDirectory() ? documentFlag.reuse | documentFlag.folder : documentFlag.reuse;
    const values = [[fd], flags, id, permissions] as const;
    const call = { ...documentPortal, member: "AddFull", signature: "ahusas", values, returns: "asa{sv}" } as const;
    const [[document = ""]] = await peer.call(call, { signal });
    return document === "" ? undefined : `${shownAt}/${document}/${basename(path)}`;
  } finally {
    closeSync(fd);
  }
}

/**
 * Hands files over to an app through the document portal: answers where its sandbox sees each. Files that cannot be
 * opened, or that the portal does not take, are left out, as all are where there is no portal.
 */
export async function shareFiles(
  id: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const shared = new Map<string, string>();
  if (paths.length === 0) return shared;
  // Starts do without the bus as a rule, and without the time that it takes to load this.
  const { sessionBusAddress, withBus } = await import("../../dbus/reach.ts");
  const shareAll = async (peer: BusPeer): Promise<void> => {
    for (const path of paths) {
      const seen = await addDocument(peer, id, path, signal);
      if (seen !== undefined) shared.set(path, seen);
    }
  };
  try {
    await withBus(sessionBusAddress(), shareAll, signal);
  } catch (error) {
    if (!isDowelError(error) || error.code === "ABORTED") throw error;
  }
  return shared;
}
