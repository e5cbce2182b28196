// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { implement } from "../../../src/dbus/interface.ts";
import { BusPeer } from "../../../src/dbus/peer.ts";
import { variant } from "../../../src/formats/dbus/types.ts";
import { noBackends } from "../../../src/session/portals/backends.ts";
import { proxiesOf } from "../../../src/session/portals/proxy.ts";
import { at, errorOf } from "./caller.ts";
import { PortalWorld } from "./support.ts";

const monitor = at("NetworkMonitor");
let world: PortalWorld;
let app: BusPeer;

beforeAll(async () => {
  world = await PortalWorld.device(async (_app, _table, _id, otherwise) => otherwise);
  world.info("[Application]\nname=org.example.App\n[Context]\nshared=network;\n");
  app = await world.client();
});
afterAll(async () => {
  app[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

describe("NetworkMonitor", () => {
  test("says whether an address can be reached", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const call = { ...monitor, member: "CanReach", signature: "su", returns: "b" } as const;
    expect(await app.call({ ...call, values: ["127.0.0.1", port] })).toEqual([true]);
    server.close();
    await once(server, "close");
    expect(await app.call({ ...call, values: ["127.0.0.1", port] })).toEqual([false]);
    for (const values of [
      ["", 80],
      ["/run/socket", 80],
      ["localhost", 0],
      ["localhost", 70_000],
    ]) {
      expect(await errorOf(app.call({ ...call, values }))).toContain("InvalidArgument");
    }
  });

  test("answers what the kernel says, then what NetworkManager says", async () => {
    const call = { ...monitor, member: "GetStatus", returns: "a{sv}" } as const;
    const [kernel] = await app.call(call);
    const [available] = await app.call({ ...monitor, member: "GetAvailable", returns: "b" });
    expect(kernel.get("available")).toEqual(variant("b", available));
    expect(kernel.get("metered")).toEqual(variant("b", false));
    using manager = await BusPeer.connect(world.loop, [{ path: world.bus.socket }]);
    const shape = {
      name: "org.freedesktop.NetworkManager",
      methods: {},
      properties: { Connectivity: "u", Metered: "u" },
    } as const;
    let connectivity = 2;
    const properties = { Connectivity: () => connectivity, Metered: () => 3 };
    manager.objects.export("/org/freedesktop/NetworkManager", implement(shape, { methods: {}, properties }));
    await manager.requestName("org.freedesktop.NetworkManager");
    const status = async () =>
      Object.fromEntries([...(await app.call(call))[0]].map(([key, { value }]) => [key, value]));
    // What the service is told of it may come to it later than this.
    const eventually = async (wanted: object): Promise<void> => {
      while (!isDeepStrictEqual(await status(), wanted)) await Bun.sleep(5);
    };
    await eventually({ available: true, metered: true, connectivity: 3 });
    const { promise, resolve } = Promise.withResolvers<void>();
    using _heard = await app.listen({ member: "changed" }, () => resolve());
    connectivity = 1;
    manager.emitChanged("/org/freedesktop/NetworkManager", shape, { Connectivity: connectivity });
    await promise;
    await eventually({ available: false, metered: true, connectivity: 1 });
  });
});

test("NetworkMonitor and ProxyResolver tell nothing to apps without network", async () => {
  world.info("[Application]\nname=org.example.App\n");
  const other = await world.client();
  const notAllowed = "org.freedesktop.portal.Error.NotAllowed";
  expect(await errorOf(other.call({ ...monitor, member: "GetAvailable", returns: "b" }))).toBe(notAllowed);
  const reach = { ...monitor, member: "CanReach", signature: "su", values: ["localhost", 22], returns: "b" };
  expect(await errorOf(other.call(reach))).toBe(notAllowed);
  const lookup = { ...at("ProxyResolver"), member: "Lookup", signature: "s", values: ["http://a"], returns: "as" };
  expect(await errorOf(other.call(lookup))).toBe(notAllowed);
  other[Symbol.dispose]();
  world.info("[Application]\nname=org.example.App\n[Context]\nshared=network;\n");
});

test("ProxyResolver answers the maker's proxies before the environment", async () => {
  const lookup = { ...at("ProxyResolver"), member: "Lookup", signature: "s", returns: "as" } as const;
  expect(await app.call({ ...lookup, values: ["http://example.org/"] })).toEqual([["direct://"]]);
  world.backends = { ...noBackends, proxies: ["http://proxy:8080", "direct://"] };
  expect(await app.call({ ...lookup, values: ["ftp://example.org/"] })).toEqual([["http://proxy:8080", "direct://"]]);
  expect(await errorOf(app.call({ ...lookup, values: ["example.org"] }))).toContain("InvalidArgument");
});

test.each([
  ["http://example.org", { http_proxy: "http://p:1" }, "http://p:1"],
  ["http://example.org", { HTTP_PROXY: "http://p:1" }, "direct://"],
  ["https://example.org", { HTTPS_PROXY: "p:1" }, "http://p:1"],
  ["ws://example.org", { all_proxy: "socks5://p:1" }, "socks5://p:1"],
  ["http://a.example.org", { http_proxy: "p", no_proxy: "x,.example.org" }, "direct://"],
  ["http://badexample.org", { http_proxy: "p", no_proxy: "example.org" }, "http://p"],
  ["http://example.org", { http_proxy: "p", no_proxy: "*" }, "direct://"],
  ["http://127.0.0.1:80", { http_proxy: "p" }, "direct://"],
  ["http://[::1]", { http_proxy: "p" }, "direct://"],
])("proxiesOf() %s with %p is %s", (uri, environment, proxy) => {
  expect(proxiesOf(new URL(uri), environment)).toEqual([proxy]);
});
