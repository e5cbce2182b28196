// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { execute } from "../../src/engine/execute.ts";
import { info } from "../../src/engine/info.ts";
import { listInstalled } from "../../src/engine/list.ts";
import { prepareUpdate } from "../../src/engine/prepareupdate.ts";
import { push } from "../../src/engine/push.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { Registry } from "../../src/oci/client/registry.ts";
import { listRefs } from "../../src/remotes/catalogue.ts";
import { addRemote, getRemote } from "../../src/remotes/config.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, arch, install, platform } from "./fixtures.ts";

const hello = appRef("Hello");

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Debian's docker-registry, which has no static index. */
async function dockerRegistry(folder: string): Promise<{ readonly host: string } & AsyncDisposable> {
  const host = `127.0.0.1:${await freePort()}`;
  mkdirSync(folder);
  const config = join(folder, "config.yml");
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${folder}/data}}\nhttp: {addr: "${host}"}\n`,
  );
  const peer: ChildProcess = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  await Registry.forHost(host, { attempts: 30, pauseMilliseconds: 5 }).ping();
  return {
    host,
    [Symbol.asyncDispose]: async () => {
      peer.kill();
      if (peer.exitCode === null) await once(peer, "exit");
    },
  };
}

test("install and update work from docker-registry, which has no index", async () => {
  using folder = new TestFolder();
  await using peer = await dockerRegistry(join(folder.path, "peer"));
  const layout = join(folder.path, "layout");
  for (const ref of [platform, hello]) addSample(layout, { ref });
  const remote = `oci+http://${peer.host}/apps/demo`;
  for (const ref of [platform, hello]) await push(`oci:${layout}:${ref}`, remote);
  addSample(join(folder.path, "elsewhere"), { ref: appRef("Else") });
  await push(`oci:${join(folder.path, "elsewhere")}`, `oci+http://${peer.host}/apps/demos`);

  const store = folder.installation();
  await addRemote(store, "peer", { url: remote });
  const refs = await listRefs(getRemote(store, "peer"), { cacheFolder: store.path });
  expect(refs.map(({ ref }) => formatRef(ref))).toEqual([hello, platform]);
  await install(store, ["peer", "org.test.Hello"]);
  const commit = addSample(layout, { ref: hello, files: { new: "version" } });
  await push(`oci:${layout}:${hello}`, remote);
  const { updated } = await execute(await prepareUpdate(store, []), store);
  expect(updated.map((deployment) => deployment.commit)).toEqual([commit]);
});

/** An app in an OCI layout, made by `flatpak build-export` and `flatpak build-bundle --oci`. */
function flatpakBundle(folder: string, id: string): string {
  const app = join(folder, "app");
  const write = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(join(app, path, ".."), { recursive: true });
    writeFileSync(join(app, path), text, { mode });
  };
  write("metadata", `[Application]\nname=${id}\nruntime=org.test.Platform/${arch}/1\ncommand=hello\n`);
  write("files/bin/hello", "#!/bin/sh\necho hello\n", 0o755);
  write(
    `export/share/applications/${id}.desktop`,
    "[Desktop Entry]\nType=Application\nName=An App\nComment=Says hello\nExec=hello\n",
  );
  const repo = join(folder, "repo");
  const layout = join(folder, "bundle");
  execFileSync("flatpak", ["build-export", "--disable-sandbox", repo, app, "stable"], { stdio: "pipe" });
  execFileSync("flatpak", ["build-bundle", "--oci", repo, layout, id, "stable"], { stdio: "pipe" });
  return layout;
}

test("install takes an image that flatpak made, and what is known of it is listed", async () => {
  using folder = new TestFolder();
  const layout = flatpakBundle(folder.path, "org.test.Bundled");
  const store = folder.installation();
  const { installed } = await install(store, [`oci:${layout}`], { noDeps: true });
  const ref = appRef("Bundled");
  expect(installed.map((deployment) => formatRef(deployment.ref))).toEqual([ref]);
  const location = installed[0]?.path ?? "";
  expect(readFileSync(join(location, "files/bin/hello"), "utf8")).toContain("echo hello");
  expect(listInstalled([store])).toMatchObject([
    {
      name: "An App",
      description: "Says hello",
      application: "org.test.Bundled",
      branch: "stable",
      arch,
      runtime: `org.test.Platform/${arch}/1`,
      origin: "bundled-origin",
      ref,
    },
  ]);
  const known = info([store], "org.test.Bundled");
  expect(known).toMatchObject({ ref, location, subject: expect.stringContaining("Export org.test.Bundled") });
  expect(known.timestamp).toBeGreaterThan(1_600_000_000);
});

test("install takes an archive that skopeo made of such an image, under any name", async () => {
  using folder = new TestFolder();
  const layout = flatpakBundle(folder.path, "org.test.Bundled");
  const archive = join(folder.path, "image.tar");
  execFileSync("skopeo", ["--insecure-policy", "copy", `oci:${layout}`, `oci-archive:${archive}:v1`], {
    stdio: "pipe",
  });
  const store = folder.installation();
  const { installed } = await install(store, [`oci-archive:${archive}:v1`], { noDeps: true });
  expect(installed.map(({ source }) => source)).toEqual([`oci-archive:${archive}`]);
});
