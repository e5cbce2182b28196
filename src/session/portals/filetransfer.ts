// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { randomBytes } from "../../base/random.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { documentName } from "../../metadata/documents.ts";
import { type CallerFile, callerFile } from "../documents/callerfile.ts";
import { answering, anyOther, checkOffer, makeOffer, type Offer, settle } from "../documents/offers.ts";
import { documentMount } from "../documents/own.ts";
import type { CallingApp } from "./app.ts";
import { documentsPlace } from "./documents.ts";
import { definePortal } from "./portal.ts";
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

/** Files from one app to another, where the session has no document portal. */
export function fileTransferPortal({ documents: keeper, loop }: BackendServices) {
  const transfers = new Map<string, Transfer>();

  function stop(key: string, transfer: Transfer): void {
    if (transfers.delete(key)) transfer.closed();
  }

  function own(key: string, owner: object): Transfer {
    const transfer = transfers.get(key);
    if (transfer?.owner !== owner) throw noTransfer();
    return transfer;
  }

  function add(app: CallingApp, transfer: Transfer, fds: readonly number[]): void {
    if (transfer.files.length + fds.length > limits.fileTransferFiles) {
      throw invalidArgument(`At most ${limits.fileTransferFiles} files can be in a transfer`);
    }
    const child = app.child();
    const files = fds.map((fd) => callerFile(child, fd));
    for (const file of files) checkOffer(keeper, app.id, file, offerOf(anyOther, transfer.writable));
    transfer.files.push(...files);
  }

  async function retrieve(app: CallingApp, { app: from, files, writable }: Transfer): Promise<string[]> {
    const offer = offerOf(app.id, writable);
    // What the sender had is looked at again: it may have been taken from it since.
    for (const file of files) checkOffer(keeper, from, file, offer);
    const paths: string[] = [];
    for (const file of files) {
      const document = await makeOffer(keeper, from, file, offer);
      paths.push(`${documentMount()}/${document.id}/${documentName(document)}`);
    }
    await settle(keeper);
    return paths;
  }

  return definePortal(shape, documentsPlace, ({ emit, ended }) => {
    /** Stands for the connection: a key that another one of the same app has begun is not this one's. */
    const owner = {};
    ended.addEventListener("abort", () => {
      for (const [key, transfer] of transfers) if (transfer.owner === owner) transfers.delete(key);
    });
    return {
      methods: {
        StartTransfer({ app }, options) {
          const open = [...transfers.values()].filter((one) => one.owner === owner).length;
          if (open >= limits.fileTransfers) {
            throw new BusCallError(
              busErrors.limitsExceeded,
              `One connection may have ${limits.fileTransfers} transfers`,
            );
          }
          const key = randomBytes(16).toString("hex");
          const writable = switchOf(options, "writable", false);
          const stopsItself = switchOf(options, "autostop", true);
          const closed = (): void => emit(shape, "TransferClosed", [key]);
          transfers.set(key, { owner, app: app.id, writable, stopsItself, files: [], closed });
          return [key];
        },
        AddFiles({ app }, key, fds) {
          add(app, own(key, owner), fds);
          return [];
        },
        async RetrieveFiles({ app }, key) {
          const transfer = transfers.get(key);
          if (transfer === undefined) throw noTransfer();
          // Before anything is waited for: a key that stops itself is good for one taker.
          if (transfer.stopsItself) stop(key, transfer);
          return [await loop.during(answering(retrieve(app, transfer)))];
        },
        StopTransfer(_call, key) {
          stop(key, own(key, owner));
          return [];
        },
      },
      properties: { version: () => 1 },
    };
  });
}
