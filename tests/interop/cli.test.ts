// SPDX-License-Identifier: Apache-2.0
// The compiled program with real peers on the other side: an app is built, pushed, and installed by each.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Registry } from "../../src/oci/client/registry.ts";
import { runtimeRef, Sandpit, startRegistry } from "../e2e/support.ts";
import { baseRef, makeBase } from "./programs.ts";

const arch = runtimeRef.split("/")[2] ?? "";
const id = "org.example.Hello";
const pit = new Sandpit();
let registry: Awaited<ReturnType<typeof startRegistry>>;
let namespace = "";

const manifest = `id: ${id}
branch: stable
runtime: org.example.Base
runtime-version: "1"
sdk: org.example.Base
command: hello
modules:
  - name: hello
    buildsystem: simple
    build-commands:
      - install -D -m 755 hello.sh /app/bin/hello
      - install -D -m 644 data /app/share/data
    sources:
      - type: inline
        dest-filename: hello.sh
        contents: |
          #!/bin/sh
          cat /app/share/data
          echo "$FLATPAK_ID $1"
      - type: inline
        dest-filename: data
        contents: |
          built by Dowel
`;

beforeAll(async () => {
  await makeBase(pit.path("layout"));
  pit.succeed(["install", "--user", "-y", `oci:${pit.path("layout")}`]);
  writeFileSync(pit.path("work/app.yml"), manifest);
  registry = await startRegistry(pit, pit.path("registry"));
  namespace = `oci+http://${registry.address}/apps`;
  pit.succeed(["push", baseRef, namespace]);
  pit.succeed(["build", "app.yml", "--compression=zstd:chunked", "--output=oci:built", `--push=${namespace}`]);
}, 60_000);
afterAll(async () => {
  await registry.stop();
  pit[Symbol.dispose]();
});

function run(program: string, ...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: "utf8", env: pit.environment });
  if (status !== 0) throw new Error(`${program} ${words.join(" ")} ended with ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

function unpack(image: string, bundle: string): string {
  run("umoci", "unpack", "--image", image, bundle);
  return join(bundle, "rootfs");
}

describe("skopeo and umoci", () => {
  test("copy from the embedded registry what build pushed with its table of contents", () => {
    const source = `docker://${registry.address}/apps/${id.toLowerCase()}:stable`;
    run("skopeo", "copy", "--src-tls-verify=false", source, `dir:${pit.path("copied-chunked")}`);
    const { layers } = JSON.parse(readFileSync(pit.path("copied-chunked/manifest.json"), "utf8"));
    expect(Object.keys(layers[0].annotations)).toContain("io.github.containers.zstd-chunked.manifest-checksum");
    const blob = pit.path(`copied-chunked/${layers[0].digest.slice("sha256:".length)}`);
    expect(run("tar", "--zstd", "-xOf", blob, "files/share/data")).toBe("built by Dowel\n");
  });

  test("copy from the embedded registry what build pushed as gzip, and unpack it", () => {
    const to = `oci+http://${registry.address}/gzip`;
    pit.succeed(["build", "app.yml", "--compression=gzip", "--output=oci:gzip", `--push=${to}`]);
    const source = `docker://${registry.address}/gzip/${id.toLowerCase()}:stable`;
    run("skopeo", "copy", "--src-tls-verify=false", source, `oci:${pit.path("copied")}:stable`);
    const { Labels: labels } = JSON.parse(run("skopeo", "inspect", `oci:${pit.path("copied")}:stable`));
    expect(labels["org.flatpak.ref"]).toBe(`app/${id}/${arch}/stable`);
    const root = unpack(`${pit.path("copied")}:stable`, pit.path("unpacked"));
    expect(readFileSync(join(root, "files/share/data"), "utf8")).toBe("built by Dowel\n");
    expect(statSync(join(root, "files/bin/hello")).mode & 0o7777).toBe(0o755);
    expect(readFileSync(join(root, "metadata"), "utf8")).toBe(labels["org.flatpak.metadata"]);
  });

  test("unpack an image in the layout rootfs, and zstd after a copy as gzip", () => {
    const words = ["build", "app.yml", "--layout=rootfs", "--compression=zstd", "--output=oci:rootfs"];
    pit.succeed(words);
    // Named, as what hangs on an image lies in the layout as well.
    const tag = `app/${id}/${arch}/stable`;
    const from = `oci:${pit.path("work/rootfs")}:${tag}`;
    run("skopeo", "copy", "--dest-compress-format=gzip", from, `dir:${pit.path("as-files")}`);
    run("skopeo", "copy", "--dest-decompress", from, `dir:${pit.path("decompressed")}`);
    pit.succeed([...words.slice(0, 3), "--compression=gzip", "--output=oci:rootfs-gzip"]);
    const { manifests } = JSON.parse(readFileSync(pit.path("work/rootfs-gzip/index.json"), "utf8"));
    expect(manifests[0].annotations["org.opencontainers.image.ref.name"]).toBe(tag);
    run("skopeo", "copy", `oci:${pit.path("work/rootfs-gzip")}:${tag}`, `oci:${pit.path("renamed")}:plain`);
    const root = unpack(`${pit.path("renamed")}:plain`, pit.path("unpacked-rootfs"));
    expect(readFileSync(join(root, "app/share/data"), "utf8")).toBe("built by Dowel\n");
  });
});

describe("docker-registry", () => {
  async function freePort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    server.close();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  test("takes what push sends, and serves an install that runs", async () => {
    const host = `127.0.0.1:${await freePort()}`;
    const config = pit.path("docker-registry.yml");
    writeFileSync(
      config,
      `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${pit.path("docker")}}}\nhttp: {addr: "${host}"}\n`,
    );
    const peer: ChildProcess = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
    try {
      await Registry.forHost(host, { attempts: 30, pauseMilliseconds: 5 }).ping();
      using user = new Sandpit();
      pit.succeed(["push", baseRef, `oci+http://${host}/apps`]);
      pit.succeed(["push", `oci:${pit.path("work/built")}`, `oci+http://${host}/apps`]);
      user.succeed(["remote-add", "--user", "docker", `oci+http://${host}/apps`]);
      user.succeed(["install", "--user", "-y", "docker", id]);
      expect(user.succeed(["run", id, "here"])).toBe(`built by Dowel\n${id} here\n`);
      expect(user.succeed(["update", "--user", "-y"])).toBe("");
    } finally {
      peer.kill();
      if (peer.exitCode === null) await once(peer, "exit");
    }
  }, 30_000);
});

describe("flatpak", () => {
  const environment = {
    ...pit.environment,
    FLATPAK_USER_DIR: pit.path("flatpak"),
    FLATPAK_SYSTEM_DIR: pit.path("flatpak-system"),
  };

  /** Output goes to a file: helpers that the bus starts would hold a pipe open after flatpak has ended. */
  async function flatpak(...words: string[]): Promise<string> {
    const path = pit.path("said");
    const file = openSync(path, "w");
    const child = spawn("dbus-run-session", ["--", "flatpak", ...words], {
      env: environment,
      cwd: pit.path("work"),
      stdio: ["ignore", file, file],
      detached: true,
    });
    const [code] = await once(child, "exit");
    spawnSync("kill", ["--", `-${child.pid}`]);
    closeSync(file);
    const said = readFileSync(path, "utf8");
    if (code !== 0) throw new Error(`flatpak ${words.join(" ")} ended with ${code}\n${said}`);
    return said;
  }

  test("installs an app and its runtime from the embedded registry, and runs it", async () => {
    await flatpak("remote-add", "--user", "--no-gpg-verify", "dowel", namespace);
    const offered = await flatpak("remote-ls", "--user", "--columns=ref", "dowel");
    expect(offered).toContain(`${id}/${arch}/stable`);
    await flatpak("install", "--user", "-y", "--noninteractive", "dowel", id);
    expect(await flatpak("list", "--user", "--columns=ref")).toContain(baseRef.slice("runtime/".length));
    expect(await flatpak("run", id, "there")).toContain(`built by Dowel\n${id} there\n`);
  }, 60_000);

  test("updates to what is pushed later", async () => {
    writeFileSync(pit.path("work/app.yml"), manifest.replace("built by Dowel", "built again"));
    pit.succeed(["build", "app.yml", "--output=oci:built", `--push=${namespace}`]);
    await flatpak("update", "--user", "-y", "--noninteractive");
    expect(await flatpak("run", id, "there")).toContain("built again\n");
  }, 60_000);

  test("makes an image that is installed and run here", () => {
    using user = new Sandpit();
    const app = pit.path("theirs");
    mkdirSync(join(app, "files/bin"), { recursive: true });
    const base = baseRef.slice("runtime/".length);
    writeFileSync(
      join(app, "metadata"),
      `[Application]\nname=org.example.Theirs\nruntime=${base}\nsdk=${base}\ncommand=hello\n`,
    );
    writeFileSync(join(app, "files/bin/hello"), '#!/bin/sh\necho "made by flatpak $1"\n', { mode: 0o755 });
    const repo = pit.path("repo");
    const bundle = pit.path("bundle");
    const options = { env: environment, stdio: "pipe" } as const;
    execFileSync("flatpak", ["build-finish", app], options);
    execFileSync("flatpak", ["build-export", "--disable-sandbox", repo, app, "stable"], options);
    execFileSync("flatpak", ["build-bundle", "--oci", repo, bundle, "org.example.Theirs", "stable"], options);
    user.succeed(["install", "--user", "-y", `oci:${pit.path("layout")}`]);
    user.succeed(["install", "--user", "-y", `oci:${bundle}`]);
    expect(user.succeed(["run", "org.example.Theirs", "here"])).toBe("made by flatpak here\n");
  });
});
