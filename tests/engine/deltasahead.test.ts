// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { join } from "node:path";
import { prepareUpdate } from "../../src/engine/prepareupdate.ts";
import { push } from "../../src/engine/push.ts";
import { transact } from "../../src/engine/transact.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { chooseVerification } from "../../src/remotes/trust/choice.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { makeKeys, pemOf } from "../oci/signatures/support.ts";
import { TestFolder } from "../store/images.ts";
import { Front, next, old, publish } from "./deltafront.ts";
import { appRef, install } from "./fixtures.ts";

const keys = makeKeys();

/**
 * Publishes an app and installs it, publishes the next version and updates to that. Answers which of the questions of the
 * update were for referrers, and which was for the config.
 */
async function update(folder: TestFolder, front: Front, signs: boolean) {
  const url = `oci+http://${front.host}`;
  const sign = async (name: string): Promise<void> => {
    if (signs) await push(`oci:${join(folder.path, name)}`, url, { signKey: keys.privateKey });
  };
  const store = folder.installation();
  await addRemote(store, "demo", { url });
  const key = Buffer.from(pemOf(keys.publicKey));
  if (signs) await chooseVerification(store, url, { kind: "key", keys: [key], log: [] });
  await publish(folder, front, "one", old);
  await sign("one");
  await install(store, [appRef("Hello")], { noDeps: true });
  const second = await publish(folder, front, "two", next);
  await sign("two");
  const { config } = JSON.parse(Buffer.from(second.document.bytes).toString()) as { readonly config: Named };
  front.asked = [];
  if (!signs) answerTogether(front, second.document.descriptor.digest);
  await transact({ installation: store, prepare: (report) => prepareUpdate(store, [], { noDeps: true, report }) });
  expect(listDeployments(store)[0]?.commit).toBe(second.document.descriptor.digest.slice("sha256:".length));
  const of = (what: RegExp): readonly number[] => front.asked.flatMap((line, at) => (what.test(line) ? [at] : []));
  return { referrers: of(/\/referrers\//), config: of(new RegExp(`/blobs/${config.digest}$`))[0] ?? -1 };
}

interface Named {
  readonly digest: string;
}

/** Answers the question for a manifest when that for its referrers has come. */
function answerTogether(front: Front, digest: string): void {
  const { promise, resolve } = Promise.withResolvers<void>();
  front.before = (line) => {
    if (line.endsWith(`/referrers/${digest}`)) resolve();
    return line.endsWith(`/manifests/${digest}`) ? promise : undefined;
  };
}

test("an update looks for deltas while it asks for the manifest, once, where no signature is wanted", async () => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const { referrers, config } = await update(folder, front, false);
  expect(referrers).toHaveLength(1);
  expect(referrers[0]).toBeLessThan(config);
});

test("an update asks for nothing that hangs on a manifest until its signature can be asked for", async () => {
  using folder = new TestFolder();
  await using front = await Front.start(folder, true);
  const { referrers, config } = await update(folder, front, true);
  expect(referrers.length).toBeGreaterThan(0);
  expect(referrers[0]).toBeGreaterThan(config);
});
