// SPDX-License-Identifier: Apache-2.0
// Signatures at an install: made by push, found in a registry, held against the policy of an installation.
import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { push } from "../../src/engine/push.ts";
import { Registry } from "../../src/oci/client/registry.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { attachClassic } from "../../src/oci/signatures/attach.ts";
import { decodePolicy } from "../../src/oci/signatures/policy.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { checkVerificationChosen, chooseVerification, type VerifyChoice } from "../../src/remotes/trust/choice.ts";
import { rulingOf } from "../../src/remotes/trust/policyfile.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { makeKeys, pemOf } from "../oci/signatures/support.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform } from "./fixtures.ts";

const app = appRef("Hello");
const publisher = makeKeys();
const byPublisher: VerifyChoice = { kind: "key", keys: [Buffer.from(pemOf(publisher.publicKey))], log: [] };

/** A registry with an app and its runtime, signed or not. */
async function publish(folder: TestFolder, signKey?: typeof publisher.privateKey) {
  const registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const layout = join(folder.path, "layout");
  addSample(layout, { ref: platform });
  const commit = addSample(layout, { ref: app });
  const url = `${registry.address.replace("http:", "oci+http:")}/apps`;
  await push(`oci:${layout}`, url, { signKey });
  return { registry, url, commit, host: new URL(registry.address).host };
}

test("install takes what the key of its remote signed", async () => {
  using folder = new TestFolder();
  const { registry, url } = await publish(folder, publisher.privateKey);
  await using _registry = registry;
  const store = folder.installation();
  await addRemote(store, "signed", { url });
  await chooseVerification(store, url, byPublisher);
  expect((await install(store, [app])).installed).toHaveLength(2);
});

test("install refuses what nobody or somebody else signed, and leaves nothing", async () => {
  for (const signKey of [undefined, makeKeys().privateKey]) {
    using folder = new TestFolder();
    const { registry, url } = await publish(folder, signKey);
    await using _registry = registry;
    const store = folder.installation();
    await addRemote(store, "signed", { url });
    await chooseVerification(store, url, byPublisher);
    const message = signKey === undefined ? "and there is none" : "no key of the policy made it";
    await expect(install(store, [app])).rejects.toThrow(message);
    expect(listDeployments(store)).toEqual([]);
    expect(existsSync(join(store.path, "images")) ? readdirNames(join(store.path, "images")) : []).toEqual([]);
  }
});

function readdirNames(path: string): readonly string[] {
  return [...new Bun.Glob("*").scanSync({ cwd: path, onlyFiles: false })];
}

test("install refuses a signature for another repository that was copied here", async () => {
  using folder = new TestFolder();
  const { registry, url, commit, host } = await publish(folder);
  await using _registry = registry;
  const target = new Registry(registry.address).repository("apps/org.test.hello");
  const { descriptor } = await target.resolve(`sha256:${commit}`);
  await attachClassic(target, publisher.privateKey, {
    digest: descriptor.digest,
    reference: `${host}/apps/org.test.other`,
  });
  const store = folder.installation();
  await addRemote(store, "signed", { url });
  await chooseVerification(store, url, byPublisher);
  await expect(install(store, [app], { noDeps: true })).rejects.toThrow("apps/org.test.other");
});

test("a policy that is malformed lets nothing in", async () => {
  using folder = new TestFolder();
  const { registry, url } = await publish(folder);
  await using _registry = registry;
  const store = folder.installation();
  await addRemote(store, "signed", { url });
  writeFileSync(join(store.path, "policy.json"), '{"default":[{"type":"insecureAcceptAnythin"}]}');
  await expect(install(store, [app])).rejects.toMatchObject({ cause: { code: "POLICY_INVALID" } });
  expect(listDeployments(store)).toEqual([]);
});

test("the system's installation takes nothing that nobody decided about, and what was decided", async () => {
  using folder = new TestFolder();
  const { registry, url } = await publish(folder);
  await using _registry = registry;
  const store = folder.installation("store", "system");
  expect(() => checkVerificationChosen(store, url)).toThrow(expect.objectContaining({ code: "POLICY_REFUSED" }));
  await addRemote(store, "undecided", { url });
  await expect(install(store, [app])).rejects.toThrow("lets nothing in");
  await chooseVerification(store, url, { kind: "none", keys: [], log: [] });
  checkVerificationChosen(store, url);
  expect((await install(store, [app])).installed).toHaveLength(2);
});

test("a direct install into the system's installation is trusted for its place, and for no other", async () => {
  using folder = new TestFolder();
  const { registry, url, host } = await publish(folder);
  await using _registry = registry;
  const store = folder.installation("store", "system");
  await install(store, [url, app]);
  const named = rulingOf(store, host, "apps/org.test.hello");
  expect(named).toMatchObject({ named: true, requirements: [{ type: "insecureAcceptAnything" }] });
  expect(rulingOf(store, host, "other/app")).toMatchObject({ named: false, requirements: [{ type: "reject" }] });
});

test("a direct install that fails leaves no trust in its place", async () => {
  using folder = new TestFolder();
  const { registry, url, host } = await publish(folder);
  await using _registry = registry;
  const store = folder.installation("store", "system");
  const controller = new AbortController();
  const seen: string[] = [];
  const report = (event: { readonly type: string }) => {
    seen.push(event.type);
    if (event.type !== "operation.start") return;
    expect(rulingOf(store, host, "apps/org.test.hello").named).toBe(true);
    controller.abort();
  };
  await expect(install(store, [url, app], { report, signal: controller.signal })).rejects.toMatchObject({
    code: "ABORTED",
  });
  expect(seen).toContain("operation.start");
  expect(rulingOf(store, host, "apps/org.test.hello").named).toBe(false);
});

test("an explicit refusal is not undone by a direct install", async () => {
  using folder = new TestFolder();
  const { registry, url, host } = await publish(folder);
  await using _registry = registry;
  const store = folder.installation("store", "system");
  const reject = { default: [{ type: "reject" }], transports: { docker: { [host]: [{ type: "reject" }] } } };
  writeFileSync(join(store.path, "policy.json"), JSON.stringify(reject));
  await expect(install(store, [url, app])).rejects.toThrow("lets nothing in");
});

test("rulingOf() heeds the host's policy where the installation's says nothing", () => {
  using folder = new TestFolder();
  const host = join(folder.path, "host.json");
  const entry = { "h.example/apps": [{ type: "reject" }] };
  writeFileSync(host, JSON.stringify({ default: [{ type: "insecureAcceptAnything" }], transports: { docker: entry } }));
  const user = folder.installation("user", "user");
  expect(rulingOf(user, "h.example", "apps/a", host)).toMatchObject({
    named: true,
    requirements: [{ type: "reject" }],
  });
  expect(rulingOf(user, "h.example", "b", host)).toMatchObject({ named: false });
  expect(rulingOf(folder.installation("system", "system"), "h.example", "b", host)).toMatchObject({
    requirements: [{ type: "reject" }],
  });
});

test("chooseVerification() keeps the keys and writes what containers' tools read", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const root = Buffer.from("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
  const log = [Buffer.from(pemOf(makeKeys().publicKey))];
  await chooseVerification(store, "oci+https://a.example/x", byPublisher);
  const keyless = {
    kind: "keyless",
    issuer: "https://i.example",
    subject: "s@example",
    authority: root,
    log,
    keys: [],
  } as const;
  await chooseVerification(store, "oci+https://b.example", keyless);
  const text = readFileSync(join(store.path, "policy.json"));
  const docker = decodePolicy(text, "policy.json").transports.get("docker");
  expect([...(docker?.keys() ?? [])]).toEqual(["a.example/x", "b.example"]);
  const stored = JSON.parse(text.toString()).transports.docker["a.example/x"][0].keyPath;
  expect(digestOf(readFileSync(stored))).toBe(digestOf(byPublisher.keys[0] ?? new Uint8Array()));
  await expect(chooseVerification(store, "oci:/some/folder", byPublisher)).rejects.toMatchObject({
    code: "UNSUPPORTED",
  });
  const none = { kind: "key", keys: [], log: [] } as const;
  await expect(chooseVerification(store, "oci+https://c.example", none)).rejects.toMatchObject({ code: "USAGE" });
});
