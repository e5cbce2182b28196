// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { basename, dirname } from "node:path";
import { DowelError, fileError } from "../../base/errors.ts";
import { documentFlag } from "../../engine/run/documents.ts";
import { isValidId } from "../../metadata/ref.ts";
import { O_PATH } from "../../sys/beneath.ts";
import { type Documents, type ExportedDocument, pathBytes } from "./portal.ts";

/** How a file is exported. */
export interface ExportWish {
  /** Absolute. */
  readonly path: string;
  readonly apps: readonly string[];
  readonly allowed: readonly string[];
  readonly forbidden: readonly string[];
  /** A document of its own, also where the file is one already. */
  readonly unique: boolean;
  /** It ends with the session. */
  readonly transient: boolean;
  /** The file need not be there yet. */
  readonly mayBeMissing: boolean;
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
  const wrong = wish.apps.find((app) => !isValidId(app));
  if (wrong !== undefined) throw new DowelError("REF_INVALID", `${JSON.stringify(wrong)} is not the id of an app`);
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
