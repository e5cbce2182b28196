// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { appendFileSync, chmodSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { push } from "../../src/engine/push.ts";
import { verifyInstalled } from "../../src/engine/verify.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { chooseVerification } from "../../src/remotes/trust/choice.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { imageFile } from "../../src/store/image/stored.ts";
import type { Installation } from "../../src/store/installation.ts";
import { visitObjects } from "../../src/store/objects/list.ts";
import { objectPath } from "../../src/store/objects/paths.ts";
import { makeKeys, pemOf } from "../oci/signatures/support.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform } from "./fixtures.ts";

const hello = appRef("Hello");
const offline = { signatures: false };
const large = "x".repeat(100_000);

async function sample(folder: TestFolder): Promise<Installation> {
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: platform, files: { "lib/large": large } });
  addSample(layout, { ref: hello, files: { "lib/large": large, "lib/own": `${large}own` } });
  const store = folder.installation();
  await addRemote(store, "local", { url: `oci:${layout}` });
  await install(store, [hello]);
  return store;
}

/** Objects of the app alone. */
function ownObjects(store: Installation): readonly string[] {
  const [app, runtime] = [hello, platform].map((wanted) => {
    const found = listDeployments(store).find(
      ({ ref }) => `${ref.kind}/${ref.id}/${ref.arch}/${ref.branch}` === wanted,
    );
    const digests: string[] = [];
    visitObjects(store, found?.commit ?? "", (digest) => digests.push(digest));
    return digests;
  });
  return (app ?? []).filter((digest) => !(runtime ?? []).includes(digest));
}

function commitOf(store: Installation, id: string): string {
  return listDeployments(store).find(({ ref }) => ref.id === id)?.commit ?? "";
}

test("verifyInstalled() finds nothing wrong with what was just installed, and reads each content once", async () => {
  using folder = new TestFolder();
  const store = await sample(folder);
  const { versions, objects, bytes } = await verifyInstalled(store, offline);
  expect(versions.map(({ ref, problems }) => [ref, problems]).sort()).toEqual([
    [hello, []],
    [platform, []],
  ]);
  expect(objects).toBeGreaterThanOrEqual(2);
  expect(bytes).toBeLessThan(3 * large.length);
  expect((await verifyInstalled(store, { ...offline, refs: [hello] })).versions).toHaveLength(1);
  const missing = verifyInstalled(store, { ...offline, refs: [appRef("None")] });
  await expect(missing).rejects.toMatchObject({ code: "NOT_INSTALLED" });
});

test("verifyInstalled() names the version whose content was changed, and no other", async () => {
  for (const harm of ["change", "remove"] as const) {
    using folder = new TestFolder();
    const store = await sample(folder);
    const [digest = ""] = ownObjects(store);
    const path = objectPath(store, digest);
    chmodSync(path, 0o644);
    if (harm === "change") appendFileSync(path, "!");
    else rmSync(path);
    const { versions } = await verifyInstalled(store, offline);
    const wrong = versions.filter(({ problems }) => problems.length > 0);
    expect(wrong.map(({ ref }) => ref)).toEqual([hello]);
    expect(wrong[0]?.problems.join()).toContain(path);
  }
});

test("verifyInstalled() notices changed manifests, images and metadata", async () => {
  const harms: readonly ((store: Installation, commit: string) => string)[] = [
    (store, commit) => join(store.images, commit, "manifest.json"),
    (store, commit) => join(store.images, commit, "config.json"),
    (store, commit) => imageFile(store, commit),
    (store) => join(store.path, hello, "active", "metadata"),
    (store, commit) => join(store.images, commit, "objects.list"),
  ];
  for (const place of harms) {
    using folder = new TestFolder();
    const store = await sample(folder);
    const path = place(store, commitOf(store, "org.test.Hello"));
    rmSync(path);
    writeFileSync(path, "changed");
    const { versions } = await verifyInstalled(store, offline);
    expect(versions.find(({ ref }) => ref === hello)?.problems.length).toBeGreaterThan(0);
    expect(versions.find(({ ref }) => ref === platform)?.problems).toEqual([]);
  }
});

test("verifyInstalled() asks for the signatures that the policy wants now", async () => {
  using folder = new TestFolder();
  await using registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: platform });
  addSample(layout, { ref: hello });
  const keys = makeKeys();
  const url = `${registry.address.replace("http:", "oci+http:")}/apps`;
  await push(`oci:${layout}`, url, { signKey: keys.privateKey });
  const store = folder.installation();
  await addRemote(store, "signed", { url });
  await install(store, [hello]);
  const by = (pem: string) => ({ kind: "key", keys: [Buffer.from(pem)], log: [] }) as const;
  await chooseVerification(store, url, by(pemOf(keys.publicKey)));
  const { versions } = await verifyInstalled(store, { signatures: true });
  for (const { signers, problems } of versions) {
    expect(problems).toEqual([]);
    expect(signers).toEqual([expect.stringMatching(/^key SHA256:/)]);
  }
  await chooseVerification(store, url, by(pemOf(makeKeys().publicKey)));
  const later = await verifyInstalled(store, { signatures: true });
  for (const { problems } of later.versions) expect(problems.join()).toContain("no key of the policy made it");
});
