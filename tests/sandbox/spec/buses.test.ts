// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import type { BusOptions } from "../../../src/sandbox/spec/types.ts";
import { specifyExample } from "./fake-host.ts";

const id = "org.example.App";
const usual: BusOptions = { session: undefined, a11y: undefined, log: [] };

test("specify() gives an app its own names, the portals and what policies name", () => {
  const context =
    "[Session Bus Policy]\norg.a.B=talk\norg.a.C=see\norg.a.D=own\norg.a.E=none\n[System Bus Policy]\norg.s.T=talk\n";
  const { session, system, a11y } = specifyExample({ context }).buses;
  expect(session).toEqual({
    access: "filtered",
    log: false,
    see: ["org.a.C"],
    talk: ["org.a.B"],
    own: [`${id}.*`, `org.mpris.MediaPlayer2.${id}.*`, "org.a.D"],
    ask: [],
    calls: ["org.freedesktop.portal.*=*"],
    broadcasts: ["org.freedesktop.portal.*=@/org/freedesktop/portal/*"],
  });
  expect(system).toMatchObject({ access: "filtered", talk: ["org.s.T"], own: [], calls: [] });
  expect(a11y).toMatchObject({ access: "filtered", talk: [], own: [] });
});

test("specify() lets an app ask for services of others, but no --sandbox of it", () => {
  const context = "[Policy services]\nuse=org.a.B;org.a.C;!org.a.C;no name;org.a.*;\n";
  expect(specifyExample({ context }).buses.session.ask).toEqual(["org.a.B"]);
  const run = { buses: { ...usual, session: true }, sandboxed: true };
  expect(specifyExample({ context, run }).buses.session.ask).toEqual([]);
});

test("specify() gives no system bus without a policy, and a whole bus only for its socket", () => {
  expect(specifyExample().buses.system.access).toBe("none");
  const { session, system } = specifyExample({ context: "[Context]\nsockets=session-bus;system-bus;\n" }).buses;
  expect([session, system]).toMatchObject([
    { access: "whole", own: [] },
    { access: "whole", talk: [] },
  ]);
});

test("specify() obeys the switches of the command line, which also open a --sandbox", () => {
  const options = (buses: Partial<BusOptions>, sandboxed = false) =>
    specifyExample({ run: { buses: { ...usual, ...buses }, sandboxed } }).buses;
  expect(options({ session: false }).session.access).toBe("none");
  expect(options({ a11y: false }).a11y.access).toBe("none");
  expect(options({}, true)).toMatchObject({ session: { access: "none" }, a11y: { access: "none" } });
  expect(options({ session: true }, true).session).toMatchObject({
    access: "filtered",
    own: [`${id}.Sandboxed.*`],
  });
  expect(options({ log: ["system"] })).toMatchObject({ session: { log: false }, system: { log: true } });
});

test("specify() gives a runtime alone no bus", () => {
  const { session, a11y } = specifyExample({ input: { app: undefined } }).buses;
  expect([session.access, a11y.access]).toEqual(["none", "none"]);
});
