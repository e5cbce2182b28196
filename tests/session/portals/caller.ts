// SPDX-License-Identifier: Apache-2.0
import { BusCallError } from "../../../src/dbus/errors.ts";
import type { Message } from "../../../src/dbus/message.ts";
import type { BusPeer } from "../../../src/dbus/peer.ts";
import { type Variant, variant } from "../../../src/formats/dbus/types.ts";
import { portalName, portalPath } from "./support.ts";

/** The place of an interface of the desktop's portal. */
export function at<const I extends string>(name: I) {
  const target = { destination: portalName, path: portalPath, interface: `org.freedesktop.portal.${name}` } as const;
  return target;
}

export function options(entries: Readonly<Record<string, Variant>> = {}): ReadonlyMap<string, Variant> {
  return new Map(Object.entries(entries));
}

let lastToken = 0;

/**
 * Calls a method that opens a request, whose last argument are options, and waits for the response.
 * @param signature without the options
 */
export async function request(
  peer: BusPeer,
  name: string,
  member: string,
  signature: string,
  values: readonly unknown[],
  more: Readonly<Record<string, Variant>> = {},
): Promise<readonly unknown[]> {
  const token = `t${++lastToken}`;
  const path = `${portalPath}/request/${peer.name.slice(1).replace(".", "_")}/${token}`;
  const { promise, resolve } = Promise.withResolvers<Message>();
  using _heard = await peer.listen({ path, member: "Response" }, resolve);
  const all = [...values, options({ ...more, handle_token: variant("s", token) })];
  await peer.call({ ...at(name), member, signature: `${signature}a{sv}`, values: all, returns: "o" });
  return (await promise).values ?? [];
}

export async function property(peer: BusPeer, name: string, key: string): Promise<unknown> {
  const { interface: target, ...place } = at(name);
  const get = { ...place, interface: "org.freedesktop.DBus.Properties", member: "Get" } as const;
  const [found] = await peer.call({ ...get, signature: "ss", values: [target, key], returns: "v" });
  return found.value;
}

/** The name of the error that a call ends with. */
export async function errorOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof BusCallError ? error.errorName : String(error);
}
