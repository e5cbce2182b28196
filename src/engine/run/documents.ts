// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync, statSync } from "node:fs";
import { basename } from "node:path";
import { errnoOf, isDowelError } from "../../base/errors.ts";
import { O_PATH } from "../../sys/beneath.ts";
import { BusClient, type Call } from "./buscall.ts";

const portal = "org.freedesktop.portal.Documents";
const target = { destination: portal, path: "/org/freedesktop/portal/documents", interface: portal };

/** Flags of `AddFull`: the same file keeps its id; it is a folder (version 4 of the portal). */
const reuse = 1;
const isFolder = 8;

/** Everything that the caller may do with a file itself. */
const permissions = ["read", "write", "grant-permissions"];

/** Where sandboxes see the portal's files. */
const shownAt = "/run/flatpak/doc";

function addCall(id: string, flags: number): Call {
  return {
    ...target,
    member: "AddFull",
    signature: "ahusas",
    body: (writer) => writer.uint32(4).uint32(0).uint32(flags).string(id).strings(permissions),
  };
}

async function addDocument(client: BusClient, id: string, path: string): Promise<string | undefined> {
  let fd: number;
  try {
    fd = openSync(path, O_PATH | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
  try {
    const flags = statSync(path).isDirectory() ? reuse | isFolder : reuse;
    const ids = await client.call(addCall(id, flags), [fd], (body) => body.strings());
    const document = ids?.[0];
    return document === undefined || document === "" ? undefined : `${shownAt}/${document}/${basename(path)}`;
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
  const runtime = process.env["XDG_RUNTIME_DIR"];
  const address = process.env["DBUS_SESSION_BUS_ADDRESS"] ?? (runtime && `unix:path=${runtime}/bus`);
  if (paths.length === 0 || !address) return shared;
  try {
    using client = await BusClient.connect(address, signal);
    for (const path of paths) {
      const seen = await addDocument(client, id, path);
      if (seen !== undefined) shared.set(path, seen);
    }
  } catch (error) {
    if (!isDowelError(error, "BUS_CALL_FAILED") && !isDowelError(error, "DBUS_INVALID")) throw error;
  }
  return shared;
}
