// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFile, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { openArchiveWriter } from "../../src/oci/archivewriter.ts";
import { Registry } from "../../src/oci/client/registry.ts";
import { copyImage } from "../../src/oci/copy.ts";
import { loadImage } from "../../src/oci/image.ts";
import { openLayout, openLayoutArchive } from "../../src/oci/layout.ts";
import { openLayoutWriter } from "../../src/oci/layoutwriter.ts";
import { type RunningRegistry, serveRegistry } from "../../src/registry/server.ts";
import { type Sample, sampleLayout, scratchFolder } from "../oci/sample.ts";

const run = promisify(execFile);
let scratch: Awaited<ReturnType<typeof scratchFolder>>;
let server: RunningRegistry;
let host: string;
let layout: string;
let sample: Sample;

beforeAll(async () => {
  scratch = await scratchFolder();
  server = await serveRegistry({ folder: join(scratch.path, "registry"), listen: "127.0.0.1:0" });
  host = new URL(server.address).host;
  layout = join(scratch.path, "layout");
  sample = await sampleLayout(layout, { layerBytes: 3_000_000, name: "stable" });
});

afterAll(async () => {
  await server.stop();
  await scratch[Symbol.asyncDispose]();
});

/** Ends what a process started and left running. */
function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid);
  } catch {
    // nothing was left
  }
}

describe("skopeo", () => {
  test("skopeo copy pushes to serveRegistry() and pulls the same image back", async () => {
    await run("skopeo", [
      "copy",
      "--dest-tls-verify=false",
      `oci:${layout}:stable`,
      `docker://${host}/skopeo/hello:v1`,
    ]);
    const back = join(scratch.path, "skopeo-back");
    await run("skopeo", ["copy", "--src-tls-verify=false", `docker://${host}/skopeo/hello:v1`, `oci:${back}:v1`]);
    const image = await loadImage(await openLayout(back), "v1", "x86_64");
    expect(image.descriptor.digest).toBe(sample.descriptor.digest);
    const { stdout } = await run("skopeo", ["inspect", "--tls-verify=false", `docker://${host}/skopeo/hello:v1`]);
    const seen = JSON.parse(stdout);
    expect(seen.Digest).toBe(sample.descriptor.digest);
    expect(seen.RepoTags).toEqual(["v1"]);
    expect(seen.Labels["org.flatpak.ref"]).toBe("app/org.example.Hello/x86_64/stable");
  }, 30_000);

  test("skopeo reads an archive that openArchiveWriter() wrote, and openLayoutArchive() one of skopeo", async () => {
    const ours = join(scratch.path, "ours.tar");
    const theirs = join(scratch.path, "theirs.tar");
    await using writer = await openArchiveWriter(ours);
    await copyImage(await openLayout(layout), writer, { from: "stable", to: "v1" });
    await writer.finish();
    await run("skopeo", ["copy", `oci-archive:${ours}:v1`, `oci-archive:${theirs}:v2`]);
    await using archive = await openLayoutArchive(theirs);
    const back = join(scratch.path, "archive-back");
    await copyImage(archive, await openLayoutWriter(back), { from: "v2", to: "v3" });
    expect((await loadImage(await openLayout(back), "v3", "x86_64")).labels?.ref).toBe(
      "app/org.example.Hello/x86_64/stable",
    );
  }, 30_000);

  test("skopeo pushes docker schema 2 and openImage reads it", async () => {
    await run("skopeo", [
      "copy",
      "--format=v2s2",
      "--dest-tls-verify=false",
      `oci:${layout}:stable`,
      `docker://${host}/docker/hello:v1`,
    ]);
    const image = await loadImage(Registry.forHost(host).repository("docker/hello"), "v1", "x86_64");
    expect(image.manifest.mediaType).toBe("application/vnd.docker.distribution.manifest.v2+json");
    expect(image.labels?.metadata).toContain("[Application]");
  }, 30_000);
});

describe("umoci", () => {
  test("umoci lists and unpacks a layout that openLayoutWriter() made", async () => {
    const { stdout } = await run("umoci", ["ls", "--layout", layout]);
    expect(stdout.trim().split("\n")).toEqual(["stable"]);
    const bundle = join(scratch.path, "bundle");
    await run("umoci", ["unpack", "--image", `${layout}:stable`, bundle]);
    expect(await Bun.file(join(bundle, "rootfs/files/data")).exists()).toBe(true);
  }, 30_000);

  test("openLayout() reads and openLayoutWriter() extends a layout that umoci made", async () => {
    const made = join(scratch.path, "umoci");
    await run("umoci", ["init", "--layout", made]);
    await run("umoci", ["new", "--image", `${made}:empty`]);
    await copyImage(await openLayout(layout), await openLayoutWriter(made), { from: "stable", to: "added" });
    const { stdout } = await run("umoci", ["ls", "--layout", made]);
    expect(stdout.trim().split("\n").sort()).toEqual(["added", "empty"]);
    expect((await loadImage(await openLayout(made), "empty", "x86_64")).config.diffIds).toEqual([]);
  }, 30_000);
});

describe("flatpak", () => {
  /** Output goes to a file: helpers that the bus starts would hold a pipe open after flatpak has ended. */
  const flatpak = async (...args: string[]): Promise<string> => {
    const env = { ...process.env, HOME: scratch.path, FLATPAK_USER_DIR: join(scratch.path, "flatpak") };
    const path = join(scratch.path, "output");
    const file = openSync(path, "w");
    const options: SpawnOptions = { env, cwd: scratch.path, stdio: ["ignore", file, file], detached: true };
    const child = spawn("dbus-run-session", ["--", "flatpak", ...args], options);
    const [code] = await once(child, "exit");
    endGroup(child.pid);
    closeSync(file);
    const output = await readFile(path, "utf8");
    if (code !== 0) throw new Error(`flatpak ${args.join(" ")}: ${output}`);
    return output;
  };

  test("flatpak lists and installs from serveRegistry() what build-bundle --oci made and copyImage() pushed", async () => {
    const metadata =
      "[Runtime]\nname=org.example.Base\nruntime=org.example.Base/x86_64/1\nsdk=org.example.Base/x86_64/1\n";
    await mkdir(join(scratch.path, "base/files"), { recursive: true });
    await writeFile(join(scratch.path, "base/metadata"), metadata);
    await writeFile(join(scratch.path, "base/files/hello"), "hello\n");
    await flatpak("build-export", "--runtime", "--files=files", "repo", "base", "1");
    await flatpak("build-bundle", "--oci", "--runtime", "repo", "bundle", "org.example.Base", "1");
    const source = await openLayout(join(scratch.path, "bundle"));
    const repository = Registry.forHost(host).repository("flatpak/base");
    const digest = await copyImage(source, repository, { to: "1" });
    const image = await loadImage(repository, "1", "x86_64");
    expect(image.labels?.metadata).toBe(metadata);
    expect(image.labels?.commitMetadata.get("xa.ref")?.byteLength).toBeGreaterThan(20);
    await flatpak("--user", "remote-add", "--no-gpg-verify", "own", `oci+${server.address}`);
    expect(await flatpak("--user", "remote-ls", "--columns=ref", "--all", "own")).toContain(
      "runtime/org.example.Base/x86_64/1",
    );
    await flatpak("--user", "install", "-y", "own", "org.example.Base//1");
    expect(await flatpak("--user", "info", "org.example.Base//1")).toContain(digest.slice("sha256:".length));
    const installed = join(scratch.path, "flatpak/runtime/org.example.Base/x86_64/1/active/files/hello");
    expect(await readFile(installed, "utf8")).toBe("hello\n");
  }, 60_000);
});
