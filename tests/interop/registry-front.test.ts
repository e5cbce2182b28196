// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { push } from "../../src/engine/push.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { login, parseLoginTarget } from "../../src/oci/client/login.ts";
import { listRefs } from "../../src/remotes/catalogue.ts";
import { addRemote, getRemote } from "../../src/remotes/config.ts";
import { listDeployments } from "../../src/store/deployments.ts";
import type { Installation } from "../../src/store/installation.ts";
import { addSample, appRef, install, metadataFor, platform } from "../engine/fixtures.ts";
import { TestFolder } from "../store/images.ts";
import { type Front, password, startFront, user } from "./front.ts";

// The token server is in this process, so that nothing may block it.
const run = promisify(execFile);
const folder = new TestFolder();
const before = { config: process.env["XDG_CONFIG_HOME"], auth: process.env["REGISTRY_AUTH_FILE"] };
const authFile = join(folder.path, "auth.json");
let front: Front;

function restore(variable: string, value: string | undefined): void {
  if (value === undefined) delete process.env[variable];
  else process.env[variable] = value;
}

beforeAll(async () => {
  process.env["XDG_CONFIG_HOME"] = join(folder.path, "config");
  process.env["REGISTRY_AUTH_FILE"] = authFile;
  front = await startFront(folder.path);
});

afterAll(async () => {
  await front[Symbol.asyncDispose]();
  restore("XDG_CONFIG_HOME", before.config);
  restore("REGISTRY_AUTH_FILE", before.auth);
  folder[Symbol.dispose]();
});

beforeEach(async () => {
  writeFileSync(authFile, "{}");
  await login(parseLoginTarget(front.host), { user, password });
});

const addressOf = (namespace: string): string => `oci+https://${front.host}/${namespace}`;

async function offered(store: Installation): Promise<string[]> {
  const refs = await listRefs(getRemote(store, "demo"), { cacheFolder: store.path });
  return refs.map(({ ref }) => formatRef(ref));
}

test("login() keeps nothing when the registry's token server refuses the password", async () => {
  writeFileSync(authFile, "{}");
  const refused = login(parseLoginTarget(front.host), { user, password: "guess" });
  await expect(refused).rejects.toMatchObject({ code: "REGISTRY_AUTH" });
  const denied = push("oci:/nowhere", addressOf("x")).catch((error) => error.code);
  expect(await denied).not.toBe("REGISTRY_AUTH");
});

test("push, catalogue and install go through tokens, TLS, redirects and a cache, and credentials stay at home", async () => {
  const layouts = ["one", "two"].map((name) => join(folder.path, name));
  const [one = "", two = ""] = layouts;
  addSample(one, { ref: platform });
  addSample(two, { ref: appRef("Hello") });
  await Promise.all(layouts.map((path) => push(`oci:${path}`, addressOf("apps"), { catalogue: true })));

  const store = folder.installation("through-front");
  await addRemote(store, "demo", { url: addressOf("apps") });
  expect(await offered(store)).toEqual([appRef("Hello"), platform]);
  await install(store, ["demo", "org.test.Hello"]);
  expect(listDeployments(store)).toHaveLength(2);
  const elsewhere = await front.log("elsewhere");
  expect(elsewhere.length).toBeGreaterThan(0);
  expect(elsewhere.filter((line) => !line.endsWith("auth=-"))).toEqual([]);
  expect((await front.log("front")).some((line) => line.includes("auth=Bearer"))).toBe(true);
});

test("an update check costs the registry two requests when nothing has changed", async () => {
  const layout = join(folder.path, "checked");
  addSample(layout, { ref: appRef("Hello") });
  await push(`oci:${layout}`, addressOf("checked"), { catalogue: true });
  const store = folder.installation("checking");
  await addRemote(store, "demo", { url: addressOf("checked") });
  await offered(store);
  await front.log("front");
  await front.log("elsewhere");
  expect(await offered(store)).toEqual([appRef("Hello")]);
  // One without a token, as every first request is, and one with it.
  expect((await front.log("front")).map((line) => line.split(" ").slice(0, 3).join(" "))).toEqual([
    "HEAD /v2/checked/catalogue/manifests/latest 401",
    "HEAD /v2/checked/catalogue/manifests/latest 200",
  ]);
  expect(await front.log("elsewhere")).toEqual([]);
});

test("install takes what skopeo pushed, by tag and digest", async () => {
  const layout = join(folder.path, "skopeo");
  const commit = addSample(layout, { ref: platform });
  const options = ["--insecure-policy", "copy", "--dest-cert-dir", front.certificates, "--dest-authfile", authFile];
  const target = `docker://${front.host}/skopeo/some.name:1.2`;
  await run("skopeo", [...options, `oci:${layout}:${platform}`, target]);
  const store = folder.installation("by-skopeo");
  await install(store, [`${target}@sha256:${commit}`]);
  expect(listDeployments(store)[0]?.commit).toBe(commit);
  expect(getRemote(store, "platform-origin").url).toBe(target);
});

test("install takes an app in the layout rootfs that umoci made", async () => {
  const layout = join(folder.path, "umoci");
  const image = `${layout}:latest`;
  const bundle = join(folder.path, "umoci-bundle");
  const umoci = (...words: string[]): void => void execFileSync("umoci", words, { stdio: "pipe" });
  umoci("init", "--layout", layout);
  umoci("new", "--image", image);
  umoci("unpack", "--image", image, bundle);
  mkdirSync(join(bundle, "rootfs/app/bin"), { recursive: true });
  writeFileSync(join(bundle, "rootfs/app/bin/hello"), "#!/bin/sh\necho hello\n", { mode: 0o755 });
  umoci("repack", "--image", image, bundle);
  const labels = { "org.flatpak.ref": appRef("Umoci"), "org.flatpak.metadata": metadataFor(appRef("Umoci")) };
  umoci(
    "config",
    "--image",
    image,
    ...Object.entries(labels).flatMap(([key, value]) => ["--config.label", `${key}=${value}`]),
  );
  await push(`oci:${layout}:latest`, addressOf("umoci"), { catalogue: true });
  const store = folder.installation("by-umoci");
  await addRemote(store, "demo", { url: addressOf("umoci") });
  await install(store, ["demo", "org.test.Umoci"], { noDeps: true });
  expect(execFileSync(join(listDeployments(store)[0]?.path ?? "", "files/bin/hello"), { encoding: "utf8" })).toBe(
    "hello\n",
  );
});

/** How the two builders of Containerfiles are told to keep to a folder. */
const builders = {
  buildah: { options: [], build: "bud" },
  podman: { options: ["--cgroup-manager", "cgroupfs", "--events-backend", "none"], build: "build" },
} as const;

test.each(["buildah", "podman"] as const)(
  "install takes an app in the layout rootfs that %s made of a Containerfile and pushed",
  async (name) => {
    const context = join(folder.path, name);
    mkdirSync(join(context, "bin"), { recursive: true });
    writeFileSync(join(context, "bin/hello"), "#!/bin/sh\necho hello\n", { mode: 0o755 });
    const label = `LABEL org.flatpak.ref=${appRef("Built")}`;
    writeFileSync(join(context, "Containerfile"), `FROM scratch\nCOPY bin /app/bin\n${label}\n`);
    const places = ["root", "runroot"].flatMap((place) => [`--${place}`, join(context, place)]);
    const temporary = name === "podman" ? ["--tmpdir", join(context, "tmp")] : [];
    const { options, build } = builders[name];
    const call = (...words: string[]) =>
      run(name, ["--storage-driver", "vfs", ...places, ...temporary, ...options, ...words]);
    const metadata = `org.flatpak.metadata=${metadataFor(appRef("Built"))}`;
    await call(build, "--isolation", "chroot", "--label", metadata, "-t", "app", context);
    const target = `docker://${front.host}/${name}/org.test.built:stable`;
    await call("push", "--cert-dir", front.certificates, "--authfile", authFile, "app", target);
    const store = folder.installation(`by-${name}`);
    await install(store, [target], { noDeps: true });
    expect(execFileSync(join(listDeployments(store)[0]?.path ?? "", "files/bin/hello"), { encoding: "utf8" })).toBe(
      "hello\n",
    );
  },
);
