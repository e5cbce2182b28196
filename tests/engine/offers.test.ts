// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { join } from "node:path";
import { Offers } from "../../src/engine/offers.ts";
import { push } from "../../src/engine/push.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { addRemote, getRemote } from "../../src/remotes/config.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef } from "./fixtures.ts";

test("foreseen() is the answer itself as long as the registry has nothing new", async () => {
  using folder = new TestFolder();
  await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const address = registry.address.replace("http:", "oci+http:");
  const layout = join(folder.path, "layout");
  const publish = async (name: string): Promise<void> => {
    addSample(layout, { ref: appRef(name) });
    await push(`oci:${layout}:${appRef(name)}`, `${address}/demo`);
  };
  await publish("One");
  const store = folder.installation();
  await addRemote(store, "demo", { url: `${address}/demo` });
  const remote = getRemote(store, "demo");
  const ask = async () => {
    const offers = new Offers(store.path);
    const foreseen = await offers.foreseen(remote);
    return { foreseen, offer: await offers.of(remote) };
  };
  expect((await ask()).foreseen).toBeUndefined();
  const same = await ask();
  expect(same.foreseen?.refs.map(({ ref }) => formatRef(ref))).toEqual([appRef("One")]);
  expect(same.offer).toBe(same.foreseen as typeof same.offer);
  await publish("Two");
  const newer = await ask();
  expect(newer.foreseen?.refs).toHaveLength(1);
  expect(newer.offer.refs.map(({ ref }) => formatRef(ref))).toEqual([appRef("One"), appRef("Two")]);
});

test("foreseen() ends without an answer where the remote cannot be asked", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  await addRemote(store, "gone", { url: `oci:${join(folder.path, "none")}` });
  const offers = new Offers(store.path);
  const remote = getRemote(store, "gone");
  expect(await offers.foreseen(remote)).toBeUndefined();
  await expect(offers.of(remote)).rejects.toThrow("Remote gone:");
});
