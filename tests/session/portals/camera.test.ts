// SPDX-License-Identifier: Apache-2.0
// Cameras by the portal, from a PipeWire with a camera and a loudspeaker.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BusPeer } from "../../../src/dbus/peer.ts";
import { PipewireClient } from "../../../src/session/pipewire/client.ts";
import { classOf } from "../../../src/session/pipewire/view.ts";
import { noBackends } from "../../../src/session/portals/backends.ts";
import type { Decision } from "../../../src/session/portals/decide.ts";
import { Child } from "../../support/bus.ts";
import { untilListening } from "../../support/listening.ts";
import { at, errorOf, options, property, request } from "./caller.ts";
import { PortalWorld } from "./support.ts";

let world: PortalWorld;
let app: BusPeer;
let pipewire: Child | undefined;
let says: Decision | undefined;

beforeAll(async () => {
  world = await PortalWorld.device(async (_app, _table, _id, otherwise) => says ?? otherwise);
  app = await world.client();
});
afterAll(async () => {
  app[Symbol.dispose]();
  await pipewire?.[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const present = () => property(app, "Camera", "IsCameraPresent");
const open = () =>
  app.call(
    { ...at("Camera"), member: "OpenPipeWireRemote", signature: "a{sv}", values: [options()], returns: "h" },
    { keepDescriptors: true },
  );

test("there is no camera where there is no PipeWire, and a connection is refused", async () => {
  says = "yes";
  expect(await present()).toBe(false);
  expect(await errorOf(open())).toContain("Failed");
  says = undefined;
});

test("an app that somebody gave leave sees cameras and nothing else, and one without none", async () => {
  const { folder } = world;
  const file = join(folder, "config/pipewire/pipewire.conf.d/test.conf");
  mkdirSync(join(file, ".."), { recursive: true });
  const camera =
    "{ factory = spa-node-factory args = { factory.name = videotestsrc node.name = eye media.class = Video/Source media.role = Camera } }";
  const speaker =
    "{ factory = adapter args = { factory.name = support.null-audio-sink node.name = speaker media.class = Audio/Sink object.linger = true } }";
  const libraries = "context.spa-libs = { videotestsrc = videotestsrc/libspa-videotestsrc }";
  writeFileSync(file, `${libraries}\ncontext.objects = [ ${camera} ${speaker} ]\n`);
  const environment = { XDG_RUNTIME_DIR: folder, XDG_CONFIG_HOME: join(folder, "config"), PATH: "/usr/bin:/bin" };
  pipewire = new Child(["pipewire"], ["ignore", "ignore", "ignore"], { ...environment, HOME: folder });
  await untilListening("PipeWire", join(folder, "pipewire-0"));
  while (!(await present())) await Bun.sleep(5);
  expect(await request(app, "Camera", "AccessCamera", "", [])).toEqual([1, new Map()]);
  expect(await errorOf(open())).toContain("NotAllowed");
  says = "ask";
  expect(await request(app, "Camera", "AccessCamera", "", [])).toEqual([1, new Map()]);
  world.backends = { ...noBackends, commands: new Map([["ask", ["/bin/true"]]]) };
  expect(await errorOf(open())).toContain("NotAllowed");
  expect(await request(app, "Camera", "AccessCamera", "", [])).toEqual([0, new Map()]);
  const [fd] = await open();
  using client = new PipewireClient(world.loop, fd, () => undefined);
  await client.sync();
  expect(client.globals.hasNode((node) => classOf(node) === "Video/Source")).toBe(true);
  expect(client.globals.hasNode((node) => classOf(node) !== "Video/Source")).toBe(false);
  expect(client.globals.find("Core")).toBeDefined();
  expect(client.globals.find("Module")).toBeUndefined();
});
