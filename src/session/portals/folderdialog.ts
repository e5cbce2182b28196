// SPDX-License-Identifier: Apache-2.0
import { fileURLToPath } from "node:url";
import { randomBytes } from "../../base/random.ts";
import { BusCallError } from "../../dbus/errors.ts";
import type { Message } from "../../dbus/message.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import { type Variant, valueAs, variant } from "../../formats/dbus/types.ts";
import type { EventLoop } from "../../loop/loop.ts";
import { portalErrors } from "./errors.ts";
import { handlePath } from "./handles.ts";
import { desktopPortal } from "./portal.ts";

const request = "org.freedesktop.portal.Request";
const fileChooser = "org.freedesktop.portal.FileChooser";

/** What a person is asked. */
export interface FolderQuestion {
  /** As the app gives it: the dialog lies above that window. */
  readonly window: string;
  readonly title: string;
  /** Whether the person can let the app write, too. */
  readonly asksToWrite: boolean;
}

export interface PickedFolder {
  readonly path: string;
  readonly writable: boolean;
}

function optionsOf(question: FolderQuestion, token: string): ReadonlyMap<string, Variant> {
  const write = ["write", "Let the app change what is in it", [], "true"] as const;
  return new Map([
    ["handle_token", variant("s", token)],
    ["directory", variant("b", true)],
    ["accept_label", variant("s", "_Share")],
    ...(question.asksToWrite ? [["choices", variant("a(ssa(ss)s)", [write])] as const] : []),
  ]);
}

/** The folder of an answer; undefined where the person picked none. Throws for what is no folder of this machine. */
function pickedIn(values: readonly unknown[], { asksToWrite }: FolderQuestion): PickedFolder | undefined {
  const [response, results] = values as readonly [number, ReadonlyMap<string, Variant>];
  if (response === 1) return undefined;
  const [uri = "", ...others] = valueAs("as", results.get("uris")) ?? [];
  if (response !== 0 || others.length > 0 || !/^file:\/\/(?:localhost)?\//.test(uri)) {
    throw new BusCallError(portalErrors.failed, "The desktop gave no folder of this machine");
  }
  const choices = valueAs("a(ss)", results.get("choices")) ?? [];
  const writes = choices.find(([id]) => id === "write")?.[1] ?? "true";
  return { path: pathOf(uri), writable: asksToWrite && writes === "true" };
}

/** `decodeURIComponent`, which this uses, takes nothing but UTF-8. */
function pathOf(uri: string): string {
  try {
    return fileURLToPath(uri.replace(/^file:\/\/localhost/, "file://"));
  } catch (cause) {
    throw new BusCallError(portalErrors.failed, "The folder's path must be UTF-8", { cause });
  }
}

/**
 * Has a person pick a folder by the desktop's file chooser. Undefined where they pick none; throws where the desktop gives
 * something else, ends, or the signal fires, which closes the dialog.
 */
export async function askForFolder(
  loop: EventLoop,
  peer: BusPeer,
  question: FolderQuestion,
  signal: AbortSignal,
): Promise<PickedFolder | undefined> {
  const token = `dowel_${randomBytes(8).toString("hex")}`;
  const path = handlePath("request", peer.name, token);
  const { promise, resolve, reject } = Promise.withResolvers<readonly unknown[]>();
  const fail = (): void => {
    reject(new BusCallError(portalErrors.failed, "The dialog was closed"));
    loop.yield();
  };
  const heard = ({ values }: Message): void => {
    resolve(values ?? []);
    loop.yield();
  };
  promise.catch(() => undefined);
  const { busName: destination } = desktopPortal;
  using _response = await peer.listen({ sender: destination, path, interface: request, member: "Response" }, heard);
  using _owner = await peer.watchOwner(destination, fail);
  const closed = AbortSignal.any([signal, peer.ended]);
  closed.addEventListener("abort", fail);
  const values = [question.window, question.title, optionsOf(question, token)];
  const call = { destination, path: desktopPortal.path, interface: fileChooser } as const;
  await peer.call({ ...call, member: "OpenFile", signature: "ssa{sv}", values, returns: "o" }, { signal });
  try {
    return pickedIn(await promise, question);
  } catch (error) {
    if (!peer.ended.aborted)
      peer.call({ destination, path, interface: request, member: "Close" }).catch(() => undefined);
    throw error;
  } finally {
    closed.removeEventListener("abort", fail);
  }
}
