// SPDX-License-Identifier: Apache-2.0
import { basename } from "node:path";
import { DowelError } from "../../base/errors.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { BusPeer, OutgoingCall } from "../../dbus/peer.ts";
import type { ValuesOf } from "../../formats/dbus/types.ts";
import { exportDocument, pathBytes } from "./export.ts";
import { type DocumentStore, type ExportedDocument, type ExportWish, unknownDocument } from "./types.ts";

const name = "org.freedesktop.portal.Documents";
export const documentPortal = { destination: name, path: "/org/freedesktop/portal/documents", interface: name };

function pathText(bytes: Uint8Array): string {
  return Buffer.from(bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes).toString("utf8");
}

/** Whether nothing has the portal's name and nothing could be started that has. */
export function isMissing({ errorName }: BusCallError): boolean {
  return /^org\.freedesktop\.DBus\.Error\.(ServiceUnknown$|NameHasNoOwner$|Spawn\.)/.test(errorName);
}

function missing(cause: unknown): DowelError {
  return new DowelError("DOCUMENT_PORTAL_MISSING", "There is no document portal to export single files with", {
    hint: "Install xdg-desktop-portal, which brings it; or show the app a whole folder: dowel library add APP FOLDER",
    cause,
  });
}

/** What an error of the portal is to the user. */
function translated(error: unknown): unknown {
  if (!(error instanceof BusCallError)) return error;
  if (isMissing(error)) return missing(error);
  return error;
}

/** The same where the call names a document: newer portals refuse an id of another form, older ones do not find it. */
function translatedId(error: unknown): unknown {
  const cause = error instanceof BusCallError ? error.errorName : "";
  const isUnknown = /^org\.freedesktop\.portal\.Error\.(NotFound|InvalidArgument)$/.test(cause);
  return isUnknown ? unknownDocument(error) : error;
}

/** The document portal of the session: `org.freedesktop.portal.Documents`, version 4. */
export class Documents implements DocumentStore {
  readonly #peer: BusPeer;
  readonly #signal: AbortSignal | undefined;
  #mount: string | undefined;

  constructor(peer: BusPeer, signal: AbortSignal | undefined) {
    this.#peer = peer;
    this.#signal = signal;
  }

  /** Calls a method of the portal. Throws `DOCUMENT_PORTAL_MISSING` or `BUS_CALL_FAILED`. */
  call<const O extends string = "">(
    member: string,
    call: Pick<OutgoingCall<O>, "signature" | "values" | "returns">,
  ): Promise<ValuesOf<O>> {
    const answer = this.#peer.call<O>({ ...documentPortal, member, ...call }, { signal: this.#signal });
    return answer.catch((error: unknown): never => {
      throw translated(error);
    });
  }

  async #mountPoint(): Promise<string> {
    this.#mount ??= pathText((await this.call("GetMountPoint", { returns: "ay" }))[0]);
    return this.#mount;
  }

  async export(wish: ExportWish): Promise<ExportedDocument> {
    return await exportDocument(this, wish);
  }

  /** The id of a file; undefined where it is not exported. @param path absolute */
  async idOf(path: string): Promise<string | undefined> {
    const [id] = await this.call("Lookup", { signature: "ay", values: [pathBytes(path)], returns: "s" });
    return id === "" ? undefined : id;
  }

  async info(id: string): Promise<ExportedDocument> {
    const call = { signature: "s", values: [id], returns: "aya{sas}" } as const;
    const [bytes, apps] = await this.call("Info", call).catch((error: unknown): never => {
      throw translatedId(error);
    });
    const origin = pathText(bytes);
    return { id, path: `${await this.#mountPoint()}/${id}/${basename(origin)}`, origin, apps };
  }

  /** All documents, or those of one app, sorted by id. */
  async list(app = ""): Promise<readonly ExportedDocument[]> {
    const [found] = await this.call("List", { signature: "s", values: [app], returns: "a{say}" });
    const documents: ExportedDocument[] = [];
    for (const id of [...found.keys()].sort()) documents.push(await this.info(id));
    return documents;
  }

  /** Takes a file away from all apps; the file itself stays. */
  async delete(id: string): Promise<void> {
    await this.call("Delete", { signature: "s", values: [id] }).catch((error: unknown): never => {
      throw translatedId(error);
    });
  }
}
