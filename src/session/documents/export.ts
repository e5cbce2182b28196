// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { basename, dirname } from "node:path";
import { fileError } from "../../base/errors.ts";
import { O_PATH } from "../../sys/beneath.ts";
import type { Documents } from "./portal.ts";
import { checkApps, type ExportedDocument, type ExportWish } from "./types.ts";

/** Flags of `AddFull`: the same file keeps its id; it stays over sessions; it is a folder (version 4 of the portal). */
const documentFlag = { reuse: 1, persistent: 2, folder: 8 } as const;

/** A path as the portal takes it: its bytes and a NUL. */
export function pathBytes(path: string): Uint8Array {
  return Buffer.from(`${path}\0`);
}

function openPath(path: string, flags: number): number {
  try {
    return openSync(path, O_PATH | flags);
  } catch (error) {
    throw fileError(error, "open", path);
  }
}

async function addFile(documents: Documents, path: string, flags: number): Promise<string> {
  const fd = openPath(path, constants.O_NONBLOCK);
  try {
    const all = fstatSync(fd).isDirectory() ? flags | documentFlag.folder : flags;
    const call = { signature: "ahusas", values: [[fd], all, "", []], returns: "asa{sv}" } as const;
    const [[id = ""]] = await documents.call("AddFull", call);
    return id;
  } finally {
    closeSync(fd);
  }
}

async function addNamed(documents: Documents, path: string, flags: number): Promise<string> {
  const fd = openPath(dirname(path), constants.O_DIRECTORY);
  try {
    const values = [fd, pathBytes(basename(path)), flags, "", []];
    const [id] = await documents.call("AddNamedFull", { signature: "hayusas", values, returns: "sa{sv}" });
    return id;
  } finally {
    closeSync(fd);
  }
}

/** Exports a file and gives and takes permissions. Throws `IO`, `REF_INVALID`, `DOCUMENT_PORTAL_MISSING` or `BUS_CALL_FAILED`. */
export async function exportDocument(documents: Documents, wish: ExportWish): Promise<ExportedDocument> {
  checkApps(wish.apps);
  const flags = (wish.unique ? 0 : documentFlag.reuse) | (wish.transient ? 0 : documentFlag.persistent);
  const add = wish.mayBeMissing ? addNamed : addFile;
  const id = await add(documents, wish.path, flags);
  const allowed = wish.allowed.filter((permission) => !wish.forbidden.includes(permission));
  for (const app of wish.apps) {
    for (const [member, permissions] of [
      ["GrantPermissions", allowed],
      ["RevokePermissions", wish.forbidden],
    ] as const) {
      if (permissions.length === 0) continue;
      await documents.call(member, { signature: "ssas", values: [id, app, permissions] });
    }
  }
  return await documents.info(id);
}
