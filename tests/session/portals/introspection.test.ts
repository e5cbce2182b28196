// SPDX-License-Identifier: Apache-2.0
// What portals say that they are, beside what the distribution's are: whoever asks for a version finds all of it.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { BusPeer } from "../../../src/dbus/peer.ts";
import { parseXml, type XmlElement } from "../../../src/formats/xml/parse.ts";
import { documentsPlace } from "../../../src/session/portals/documents.ts";
import { desktopPortal } from "../../../src/session/portals/portal.ts";
import { debian13Interfaces } from "./debian13.ts";
import { PortalWorld } from "./support.ts";

let world: PortalWorld;
let app: BusPeer;
const served = new Map<
  string,
  { readonly place: typeof desktopPortal | typeof documentsPlace; readonly at: XmlElement }
>();

beforeAll(async () => {
  world = await PortalWorld.device(async (_app, _table, _id, otherwise) => otherwise);
  app = await world.client();
  for (const place of [desktopPortal, documentsPlace]) {
    const { busName: destination, path } = place;
    const interfaceName = "org.freedesktop.DBus.Introspectable";
    const call = { destination, path, interface: interfaceName, member: "Introspect", returns: "s" } as const;
    const [text] = await app.call(call);
    for (const at of childrenOf(parseXml(text.replace(/^<!DOCTYPE[^>]*>\s*/, ""), path), "interface"))
      served.set(nameOf(at), { place, at });
  }
});
afterAll(async () => {
  app[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

function childrenOf({ children }: XmlElement, name: string): readonly XmlElement[] {
  return children.filter((child) => typeof child !== "string" && child.name === name) as readonly XmlElement[];
}

function attribute({ attributes }: XmlElement, name: string): string {
  return attributes.get(name) ?? "";
}

function nameOf(element: XmlElement): string {
  return attribute(element, "name");
}

function typesOf(element: XmlElement, direction: string): string {
  const all = childrenOf(element, "arg").filter((one) => [direction, ""].includes(attribute(one, "direction")));
  return all.map((one) => attribute(one, "type")).join("");
}

/** The members of one kind by their names. */
function members<T>(at: XmlElement, kind: string, of: (member: XmlElement) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(childrenOf(at, kind).map((member) => [nameOf(member), of(member)]));
}

test.each(Object.keys(debian13Interfaces))("%s is whole", async (short) => {
  const name = `org.freedesktop.portal.${short}`;
  const { methods, version, signals = {}, properties = {} } = debian13Interfaces[short] ?? { methods: {}, version: 0 };
  const { place, at } = served.get(name) ?? {};
  if (place === undefined || at === undefined) throw new Error(`${name} is not served`);
  expect(members(at, "method", (method) => [typesOf(method, "in"), typesOf(method, "out")] as const)).toEqual(methods);
  expect(members(at, "signal", (signal) => typesOf(signal, ""))).toEqual(signals);
  const types = members(at, "property", (property) => attribute(property, "type"));
  expect(types).toEqual({ ...properties, version: "u" });
  const get = { destination: place.busName, path: place.path, interface: "org.freedesktop.DBus.Properties" };
  const call = { ...get, member: "Get", signature: "ss", values: [name, "version"], returns: "v" } as const;
  expect((await app.call(call))[0].value).toBe(version);
});
