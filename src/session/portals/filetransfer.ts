// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { randomBytes } from "../../base/random.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { documentName } from "../../metadata/documents.ts";
import { type CallerFile, callerFile } from "../documents/callerfile.ts";
import type { DocumentKeeper } from "../documents/keeper.ts";
import { answering, anyOther, checkOffer, makeOffer, type Offer, settle } from "../documents/offers.ts";
import { documentMount } from "../documents/own.ts";
import type { CallingApp } from "./app.ts";
import { documentsPlace } from "./documents.ts";
import { definePortal, type Options } from "./portal.ts";
import type { BackendServices } from "./served.ts";
import { invalidArgument, switchOf } from "./texts.ts";

const shape = {
  name: "org.freedesktop.portal.FileTransfer",
  methods: {
    StartTransfer: { in: "a{sv} options", out: "s key" },
    AddFiles: { in: "s key, ah fds, a{sv} options", out: "" },
    RetrieveFiles: { in: "s key, a{sv} options", out: "as files" },
    StopTransfer: { in: "s key", out: "" },
  },
  signals: { TransferClosed: "s key" },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

/** Files that an app lets whoever has the key take: what is dragged, or copied to be pasted. */
interface Transfer {
  /** Of the connection that began it. */
  readonly owner: object;
  readonly app: string;
  readonly writable: boolean;
  readonly stopsItself: boolean;
  readonly files: CallerFile[];
  readonly closed: () => void;
}

/** Nobody learns whether there is a transfer whose key they do not know, or that is not theirs. */
function noTransfer(): BusCallError {
  return new BusCallError(busErrors.accessDenied, "There is no such transfer of the caller's");
}

function offerOf(target: string, writable: boolean): Offer {
  const permissions = ["read", ...(writable ? ["write"] : [])];
  return { unique: false, persistent: false, target, permissions };
}

/** The transfers of all apps, by their keys. */
class Transfers {
  readonly #keeper: DocumentKeeper;
  readonly #open = new Map<string, Transfer>();

  constructor(keeper: DocumentKeeper) {
    this.#keeper = keeper;
  }

  /** Begins a transfer, and answers its key. Throws `InvalidArgument`, and `LimitsExceeded` for too many. */
  start(owner: object, app: string, options: Options, closed: (key: string) => void): string {
    const open = [...this.#open.values()].filter((one) => one.owner === owner).length;
    if (open >= limits.fileTransfers) {
      throw new BusCallError(busErrors.limitsExceeded, `One connection may have ${limits.fileTransfers} transfers`);
    }
    const key = randomBytes(16).toString("hex");
    const writable = switchOf(options, "writable", false);
    const stopsItself = switchOf(options, "autostop", true);
    this.#open.set(key, { owner, app, writable, stopsItself, files: [], closed: () => closed(key) });
    return key;
  }

  add(owner: object, app: CallingApp, key: string, fds: readonly number[]): void {
    const transfer = this.#own(key, owner);
    if (transfer.files.length + fds.length > limits.fileTransferFiles) {
      throw invalidArgument(`At most ${limits.fileTransferFiles} files can be in a transfer`);
    }
    const child = app.child();
    const files = fds.map((fd) => callerFile(child, fd));
    for (const file of files) checkOffer(this.#keeper, app.id, file, offerOf(anyOther, transfer.writable));
    transfer.files.push(...files);
  }

  /** Gives an app the files of a transfer; answers their paths in its sandbox. */
  async retrieve(app: string, key: string): Promise<readonly string[]> {
    const transfer = this.#open.get(key);
    if (transfer === undefined) throw noTransfer();
    // Before anything is waited for: a key that stops itself is good for one taker.
    if (transfer.stopsItself) this.#close(key, transfer);
    const { app: from, files, writable } = transfer;
    const offer = offerOf(app, writable);
    // What the sender had is looked at again: it may have been taken from it since.
    for (const file of files) checkOffer(this.#keeper, from, file, offer);
    const paths: string[] = [];
    for (const file of files) {
      const document = await makeOffer(this.#keeper, from, file, offer);
      paths.push(`${documentMount()}/${document.id}/${documentName(document)}`);
    }
    await settle(this.#keeper);
    return paths;
  }

  stop(owner: object, key: string): void {
    this.#close(key, this.#own(key, owner));
  }

  /** The connection has gone, so nobody is told. */
  forget(owner: object): void {
    for (const [key, transfer] of this.#open) if (transfer.owner === owner) this.#open.delete(key);
  }

  #own(key: string, owner: object): Transfer {
    const transfer = this.#open.get(key);
    if (transfer?.owner !== owner) throw noTransfer();
    return transfer;
  }

  #close(key: string, transfer: Transfer): void {
    if (this.#open.delete(key)) transfer.closed();
  }
}

/** Files from one app to another, where the session has no document portal. */
export function fileTransferPortal({ documents, loop }: BackendServices) {
  const transfers = new Transfers(documents);
  return definePortal(shape, documentsPlace, ({ emit, ended }) => {
    /** Stands for the connection: a key that another one of the same app has begun is not this one's. */
    const owner = {};
    ended.addEventListener("abort", () => transfers.forget(owner));
    const closed = (key: string): void => emit(shape, "TransferClosed", [key]);
    return {
      methods: {
        StartTransfer: ({ app }, options) => [transfers.start(owner, app.id, options, closed)],
        AddFiles({ app }, key, fds) {
          transfers.add(owner, app, key, fds);
          return [];
        },
        RetrieveFiles: async ({ app }, key) => [await loop.during(answering(transfers.retrieve(app.id, key)))],
        StopTransfer(_call, key) {
          transfers.stop(owner, key);
          return [];
        },
      },
      properties: { version: () => 1 },
    };
  });
}
