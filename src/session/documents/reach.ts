// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import { BusPeer } from "../../dbus/peer.ts";
import { sessionBusAddress } from "../../dbus/reach.ts";
import { instancesFolder } from "../../engine/run/instances.ts";
import { parseBusAddress } from "../../formats/dbus/address.ts";
import { EventLoop } from "../../loop/loop.ts";
import { runFolder } from "../../sandbox/run-folder.ts";
import { instancesOf } from "./mounts.ts";
import { OwnDocuments } from "./own.ts";
import { Documents, documentPortal, isMissing } from "./portal.ts";
import { DocumentTables } from "./tables.ts";
import type { DocumentStore } from "./types.ts";

/** A portal that takes longer to start is believed to be there. */
const startMilliseconds = 10_000;

/** Whether the session has a document portal, which the bus starts where it can. */
export async function hasDocumentPortal(peer: BusPeer, signal?: AbortSignal): Promise<boolean> {
  const call = { ...documentPortal, member: "GetMountPoint", returns: "ay" } as const;
  try {
    await peer.call(call, { signal, timeoutMilliseconds: startMilliseconds });
    return true;
  } catch (error) {
    if (!(error instanceof BusCallError)) throw error;
    return !isMissing(error) && error.errorName !== busErrors.accessDenied;
  }
}

/** A connection to a bus with a document portal; undefined where there is none. */
async function connectToPortal(loop: EventLoop, signal: AbortSignal | undefined): Promise<BusPeer | undefined> {
  let peer: BusPeer;
  try {
    peer = await BusPeer.connect(loop, parseBusAddress(sessionBusAddress()), {}, signal);
  } catch (error) {
    if (isDowelError(error, "BUS_UNREACHABLE")) return undefined;
    throw error;
  }
  try {
    if (await hasDocumentPortal(peer, signal)) return peer;
  } catch (error) {
    peer[Symbol.dispose]();
    throw error;
  }
  peer[Symbol.dispose]();
  return undefined;
}

async function use<T>(
  loop: EventLoop,
  signal: AbortSignal | undefined,
  work: (documents: DocumentStore) => Promise<T>,
): Promise<T> {
  using peer = await connectToPortal(loop, signal);
  if (peer !== undefined) return await work(new Documents(peer, signal));
  const instances = instancesFolder();
  const isRunning = (app: string): boolean => instancesOf(instances, new Set([app])).length > 0;
  const tables = new DocumentTables({ loop, environment: process.env, runFolder: runFolder(), isRunning });
  return await work(new OwnDocuments(tables, instances, signal));
}

/** Uses the session's document portal, which the bus starts where it can; where there is none, the documents that Dowel keeps. */
export async function withDocuments<T>(
  signal: AbortSignal | undefined,
  work: (documents: DocumentStore) => Promise<T>,
): Promise<T> {
  using loop = new EventLoop();
  return await loop.runUntil(use(loop, signal, work), signal);
}
