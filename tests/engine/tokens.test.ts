// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { join } from "node:path";
import { push } from "../../src/engine/push.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform } from "./fixtures.ts";

const hello = appRef("Hello");

/** Lets requests through to a registry that have a token of its own, which are numbered. */
function guard(address: string) {
  const state = { issued: 0, oldestTaken: 1, refused: 0, onRequest: (_path: string): void => undefined };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const { pathname, search, origin } = new URL(request.url);
      if (pathname === "/token") return Response.json({ token: `token-${++state.issued}`, expires_in: 3600 });
      state.onRequest(pathname);
      const header = request.headers.get("authorization");
      if (Number(header?.replace("Bearer token-", "") ?? 0) >= state.oldestTaken) {
        request.headers.delete("authorization");
        return await fetch(`${address}${pathname}${search}`, { headers: request.headers, decompress: false });
      }
      if (header !== null) state.refused++;
      const challenge = `Bearer realm="${origin}/token",service="here"`;
      return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
    },
  });
  return Object.assign(state, { host: `127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.stop(true) });
}

test("a transaction whose tokens end in its middle goes on with new ones", async () => {
  using folder = new TestFolder();
  await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  await using gate = guard(registry.address);
  const layout = join(folder.path, "layout");
  for (const ref of [platform, hello]) addSample(layout, { ref });
  await push(`oci:${layout}`, `oci+${registry.address}/demo`);
  const store = folder.installation();
  await addRemote(store, "demo", { url: `oci+http://${gate.host}/demo` });
  let ended = false;
  gate.onRequest = (path) => {
    if (ended || !path.includes("/blobs/")) return;
    ended = true;
    gate.oldestTaken = gate.issued + 1;
  };
  await install(store, ["demo", "org.test.Hello"]);
  expect(listDeployments(store).map(({ ref }) => formatRef(ref))).toEqual([hello, platform]);
  expect(ended).toBe(true);
  expect(gate.refused).toBeGreaterThan(0);
});

test("a registry that takes no token ends an install with what it answers, and leaves nothing", async () => {
  using folder = new TestFolder();
  await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  await using gate = guard(registry.address);
  gate.oldestTaken = Number.POSITIVE_INFINITY;
  const store = folder.installation();
  await addRemote(store, "demo", { url: `oci+http://${gate.host}/demo` });
  await expect(install(store, ["demo", "org.test.Hello"])).rejects.toMatchObject({
    code: "REGISTRY_AUTH",
    message: expect.stringContaining("Remote demo: "),
  });
  expect(listDeployments(store)).toEqual([]);
  expect(gate.issued).toBeLessThanOrEqual(2);
});
