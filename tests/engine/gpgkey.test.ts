// SPDX-License-Identifier: Apache-2.0
// Keys that come with the files of remotes, with signatures by the real makers: skopeo and gpg.
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { push } from "../../src/engine/push.ts";
import { Registry } from "../../src/oci/client/registry.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { addRemote, getRemote, listRemotes } from "../../src/remotes/config.ts";
import { adoptKey } from "../../src/remotes/trust/choice.ts";
import { rulingOf } from "../../src/remotes/trust/policyfile.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform } from "./fixtures.ts";

setDefaultTimeout(120_000);

const app = appRef("Hello");
const gpgHome = mkdtempSync(join(tmpdir(), "dowel-gpg-"));
const environment = { PATH: process.env["PATH"] ?? "", HOME: gpgHome, GNUPGHOME: gpgHome };
const keys = new Map<string, string>();
let dataFolder: string | undefined;

function run(program: string, ...words: string[]): Buffer {
  return execFileSync(program, words, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
}

beforeAll(() => {
  for (const name of ["good", "other"]) {
    run("gpg", "--batch", "--passphrase", "", "--quick-gen-key", `${name}@example.org`, "ed25519", "sign");
    keys.set(name, run("gpg", "--batch", "--export", `${name}@example.org`).toString("base64"));
  }
});
afterAll(() => {
  execFileSync("gpgconf", ["--kill", "all"], { env: environment, stdio: "ignore" });
  rmSync(gpgHome, { recursive: true });
});
beforeEach(() => {
  dataFolder = process.env["DOWEL_DATA_DIR"];
});

/** Signs a manifest of a registry with skopeo, into a lookaside. */
async function sign(lookaside: string, host: string, repository: string, signer: string): Promise<void> {
  const { descriptor, bytes } = await new Registry(`http://${host}/`).repository(repository).resolve("latest");
  const manifest = join(gpgHome, "manifest.json");
  const policy = join(gpgHome, "policy.json");
  writeFileSync(manifest, bytes);
  writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  const output = join(lookaside, `${repository}@${descriptor.digest.replace(":", "=")}`, "signature-1");
  mkdirSync(dirname(output), { recursive: true });
  const words = ["standalone-sign", manifest, `${host}/${repository}:stable`, `${signer}@example.org`];
  // The registry is in this process, so that nothing may block it.
  await promisify(execFile)("skopeo", ["--policy", policy, ...words, "--output", output], { env: environment });
}

/** A registry with an app and its runtime, and the text of a remote that holds their signatures to a key. */
async function publish(folder: TestFolder, signer: string) {
  const registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  const layout = join(folder.path, "layout");
  const lookaside = join(folder.path, "lookaside");
  addSample(layout, { ref: platform });
  addSample(layout, { ref: app });
  const url = `${registry.address.replace("http:", "oci+http:")}/apps`;
  await push(`oci:${layout}`, url);
  const { host } = new URL(registry.address);
  for (const name of ["org.test.hello", "org.test.platform"]) await sign(lookaside, host, `apps/${name}`, signer);
  const key = `GPGKey=${keys.get("good")}\nSignatureLookaside=${pathToFileURL(lookaside).href}\n`;
  return { registry, url, host, key };
}

test("a remote that remotes.d predefines is held to the key in its file", async () => {
  for (const signer of ["good", "other"]) {
    using folder = new TestFolder();
    const { registry, url, host, key } = await publish(folder, signer);
    await using _registry = registry;
    const data = join(folder.path, "data");
    mkdirSync(join(data, "remotes.d"), { recursive: true });
    writeFileSync(join(data, "remotes.d/distro.flatpakrepo"), `[Flatpak Repo]\nUrl=${url}\n${key}`);
    process.env["DOWEL_DATA_DIR"] = data;
    try {
      const store = folder.installation("system", "system", "default");
      expect(getRemote(store, "distro").gpgVerify).toBe(true);
      expect(rulingOf(store, host, "apps/x")).toMatchObject({ named: true, requirements: [{ type: "signedBy" }] });
      expect(rulingOf(folder.installation("user", "user"), host, "apps/x").named).toBe(false);
      if (signer === "good") expect((await install(store, [app])).installed).toHaveLength(2);
      else await expect(install(store, [app])).rejects.toMatchObject({ code: "SIGNATURE_REFUSED" });
    } finally {
      if (dataFolder === undefined) delete process.env["DOWEL_DATA_DIR"];
      else process.env["DOWEL_DATA_DIR"] = dataFolder;
    }
  }
});

test("a .flatpakref with a key makes its remote wanting signatures by that key", async () => {
  for (const signer of ["good", "other"]) {
    using folder = new TestFolder();
    const { registry, url, host, key } = await publish(folder, signer);
    await using _registry = registry;
    const file = join(folder.path, "hello.flatpakref");
    const head = `[Flatpak Ref]\nName=org.test.Hello\nBranch=stable\nUrl=${url}\nSuggestRemoteName=hello\n`;
    writeFileSync(file, head + key);
    const store = folder.installation();
    if (signer === "good") {
      expect((await install(store, [file])).installed).toHaveLength(2);
      expect(getRemote(store, "hello").gpgVerify).toBe(true);
      expect(rulingOf(store, host, "apps/org.test.hello").requirements[0]?.type).toBe("signedBy");
    } else {
      await expect(install(store, [file])).rejects.toMatchObject({ code: "SIGNATURE_REFUSED" });
      expect(listDeployments(store)).toEqual([]);
      expect(listRemotes(store)).toEqual([]);
      expect(rulingOf(store, host, "apps/org.test.hello").named).toBe(false);
    }
  }
});

test("a location is held to the key that is named for its install, which cannot change what is trusted already", async () => {
  for (const signer of ["good", "other"]) {
    using folder = new TestFolder();
    const { registry, url, host, key } = await publish(folder, signer);
    await using _registry = registry;
    const file = join(folder.path, "hello.flatpakref");
    const lookaside = key.split("\n")[1] ?? "";
    writeFileSync(
      file,
      `[Flatpak Ref]\nName=org.test.Hello\nBranch=stable\nUrl=${url}\nSuggestRemoteName=hello\n${lookaside}\n`,
    );
    const store = folder.installation();
    const gpgKey = Buffer.from(keys.get("good") ?? "", "base64");
    if (signer === "other") {
      await expect(install(store, [file], { gpgKey })).rejects.toMatchObject({ code: "SIGNATURE_REFUSED" });
      expect(listRemotes(store)).toEqual([]);
      continue;
    }
    expect((await install(store, [file], { gpgKey })).installed).toHaveLength(2);
    expect(rulingOf(store, host, "apps/org.test.hello").requirements[0]?.type).toBe("signedBy");
    await expect(install(store, [file], { gpgKey })).rejects.toMatchObject({ code: "USAGE" });
    await expect(install(store, ["hello", "org.test.Hello"], { gpgKey })).rejects.toMatchObject({ code: "USAGE" });
  }
});

test("a file's key neither takes the place of another key nor undoes a refusal", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const url = "oci+https://h.example/apps";
  const [good, other] = ["good", "other"].map((name) => Buffer.from(keys.get(name) ?? "", "base64"));
  if (good === undefined || other === undefined) throw new Error("two keys were made");
  await expect(adoptKey(store, url, Buffer.from("no key"))).rejects.toMatchObject({ code: "KEY_INVALID" });
  expect(await adoptKey(store, url, good)).toBe(true);
  const before = readFileSync(join(store.path, "policy.json"), "utf8");
  expect(await adoptKey(store, url, other)).toBe(false);
  expect(readFileSync(join(store.path, "policy.json"), "utf8")).toBe(before);
});

test("a remote that wants signatures without a known key lets nothing in", async () => {
  using folder = new TestFolder();
  const { registry, url } = await publish(folder, "good");
  await using _registry = registry;
  const store = folder.installation();
  await addRemote(store, "signed", { url, gpgVerify: true });
  await expect(install(store, [app])).rejects.toMatchObject({
    code: "POLICY_REFUSED",
    message: expect.stringContaining("no key is known"),
  });
});
