// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { push } from "../../src/engine/push.ts";
import { type TarInput, writeTar } from "../../src/formats/tar/write.ts";
import { readAnnotations } from "../../src/formats/zstd-chunked/annotations.ts";
import { checkTocAgainstTarSplit } from "../../src/formats/zstd-chunked/crosscheck.ts";
import { openTarSplit, openToc } from "../../src/formats/zstd-chunked/open.ts";
import type { Toc } from "../../src/formats/zstd-chunked/toc.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { entry, file, gather, noise, writeLayer } from "../formats/zstd-chunked/support.ts";
import { addLayers } from "../support/layout.ts";
import { prepareDebian13, startOf } from "./debian13.ts";

const inputs: readonly TarInput[] = [
  { entry: entry("usr", { type: "directory", mode: 0o755 }) },
  file("usr/a", "hello", { mtime: { seconds: 0, nanoseconds: 0 } }),
  file("usr/large", Buffer.concat([noise(900_000), new Uint8Array(100_000), noise(500_000, 2), new Uint8Array(1023)])),
  file("usr/hole", new Uint8Array(200_000)),
  file("usr/empty", ""),
  { entry: entry("usr/link", { type: "symlink", linkName: "/any/<where>" }) },
  { entry: entry("usr/again", { type: "hardlink", linkName: "usr/a" }) },
  { entry: entry("usr/null", { type: "character", devMajor: 1, devMinor: 3 }) },
  { entry: entry("usr/pipe", { type: "fifo" }) },
  file("usr/ä&b", "attributes", {
    uid: 4_000_000,
    mtime: { seconds: 1_700_000_000, nanoseconds: 123_456_789 },
    xattrs: new Map([["user.t", new Uint8Array([0, 255])]]),
  }),
];

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");
let folder = "";
let tar: Buffer = Buffer.alloc(0);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "dowel-zstd-chunked-"));
  tar = await gather(writeTar(inputs));
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(tar)}`] },
  });
  const type = "application/vnd.oci.image";
  const manifest = {
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config: { mediaType: `${type}.config.v1+json`, digest: `sha256:${sha256(config)}`, size: config.length },
    layers: [{ mediaType: `${type}.layer.v1.tar`, digest: `sha256:${sha256(tar)}`, size: tar.length }],
  };
  mkdirSync(join(folder, "plain"));
  const write = (name: string, content: Uint8Array | string) => writeFileSync(join(folder, "plain", name), content);
  write(sha256(tar), tar);
  write(sha256(config), config);
  write("manifest.json", JSON.stringify(manifest));
  write("version", "Directory Transport Version: 1.1\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a table says, but for where it is in the blob. */
function contentOf({ entries }: Toc): unknown {
  return entries.map(({ chunks, ...rest }) => ({
    ...rest,
    chunks: chunks.map(({ offset, size, digest, hole }) => ({ offset, size, digest, hole })),
  }));
}

interface Layer {
  readonly digest: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The layer that a skopeo writes of the archive. */
function layerOf(skopeo: readonly string[], name: string): { blob: Buffer; annotations: Layer["annotations"] } {
  const target = join(folder, name);
  const [program = "", ...start] = skopeo;
  const options = ["copy", "--insecure-policy", "--dest-compress", "--dest-compress-format", "zstd:chunked"];
  execFileSync(program, [...start, ...options, `dir:${join(folder, "plain")}`, `oci:${target}:t`]);
  const read = (digest: string) => readFileSync(join(target, "blobs", digest.replace(":", "/")));
  const index = JSON.parse(readFileSync(join(target, "index.json"), "utf8")) as { manifests: Layer[] };
  const manifest = JSON.parse(read(index.manifests[0]?.digest ?? "").toString()) as { layers: Layer[] };
  const [layer] = manifest.layers;
  if (layer === undefined) throw new Error("no layer");
  return { blob: read(layer.digest), annotations: layer.annotations };
}

async function compare(skopeo: readonly string[], name: string, withTarSplit: boolean): Promise<void> {
  const { blob, annotations } = layerOf(skopeo, name);
  const places = readAnnotations(annotations, blob.length);
  if (places === undefined) throw new Error("no annotations");
  const part = ({ offset, size }: { offset: number; size: number }) => blob.subarray(offset, offset + size);
  const toc = openToc(part(places.toc), places);
  expect(contentOf(toc)).toEqual(contentOf((await writeLayer(inputs)).layer.toc));
  expect(places.tarSplit !== undefined).toBe(withTarSplit);
  if (places.tarSplit !== undefined) {
    await checkTocAgainstTarSplit(toc, openTarSplit(part(places.tarSplit), places, toc));
  }
}

/** What a skopeo unpacks of a layer that Dowel wrote, with its annotations. */
async function unpackedBy(skopeo: readonly string[], name: string): Promise<Buffer> {
  const layout = await layoutOf(`${name}-layout`, inputs);
  const target = join(folder, `${name}-unpacked`);
  const [program = "", ...start] = skopeo;
  const options = ["copy", "--insecure-policy", "--dest-decompress", `oci:${layout}`, `dir:${target}`];
  execFileSync(program, [...start, ...options]);
  return readFileSync(join(target, sha256(tar)));
}

test("zstd unpacks a layer to its archive", async () => {
  const { blob } = await writeLayer(inputs);
  const { stdout, status } = spawnSync("zstd", ["-d", "-c"], { input: blob, maxBuffer: 1 << 28 });
  expect(status).toBe(0);
  expect(Buffer.compare(stdout, tar)).toBe(0);
});

test("a layer of Debian 12's skopeo, in the old dialect, has the same entries and chunks", async () => {
  await compare(["skopeo"], "old", false);
});

const problem = await prepareDebian13();
test("Debian 12's skopeo reads a layer of Dowel", async () => {
  expect(Buffer.compare(await unpackedBy(["skopeo"], "written-old"), tar)).toBe(0);
});

/** A registry that tells which parts of blobs it was asked for, and how many bytes of them it sent. */
async function startWatched(path: string) {
  const registry = await serveRegistry({ folder: path, listen: "127.0.0.1:0" });
  const parts: { readonly ranges: string; readonly size: number }[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      const { method, headers } = request;
      const body = method === "GET" || method === "HEAD" ? null : await request.arrayBuffer();
      const answer = await fetch(`${registry.address}${pathname}${search}`, {
        method,
        headers,
        body,
        decompress: false,
      });
      const bytes = await answer.arrayBuffer();
      const ranges = headers.get("range");
      if (ranges !== null) parts.push({ ranges, size: bytes.byteLength });
      return new Response(method === "HEAD" ? null : bytes, { status: answer.status, headers: answer.headers });
    },
  });
  return {
    host: `127.0.0.1:${server.port}`,
    parts,
    async [Symbol.asyncDispose]() {
      await server.stop(true);
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** Makes a place where a storage of containers' tools can be, whatever the file system of temporary files is. */
function makeStorage(path: string): { readonly environment: NodeJS.ProcessEnv } & Disposable {
  mkdirSync(path);
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", path]);
  const lines = [
    "[storage]",
    'driver = "overlay"',
    `runroot = "${path}/run"`,
    `graphroot = "${path}/graph"`,
    "[storage.options]",
    'pull_options = {enable_partial_images = "true"}',
  ];
  writeFileSync(join(path, "storage.conf"), `${lines.join("\n")}\n`);
  return {
    environment: { ...process.env, CONTAINERS_STORAGE_CONF: join(path, "storage.conf") },
    [Symbol.dispose]() {
      spawnSync("umount", ["-l", join(path, "graph/overlay")]);
      execFileSync("umount", ["-l", path]);
    },
  };
}

/** A layout with an app of one layer, which Dowel wrote. */
async function layoutOf(name: string, contents: readonly TarInput[]): Promise<string> {
  const { blob, layer } = await writeLayer(contents);
  const { annotations, diffId } = layer;
  const mediaType = "application/vnd.oci.image.layer.v1.tar+zstd";
  const metadata = "[Application]\nname=org.test.Hello\n";
  const layout = join(folder, name);
  addLayers(layout, { ref: "app/org.test.Hello/x86_64/1", metadata }, [{ mediaType, data: blob, diffId, annotations }]);
  return layout;
}

describe.skipIf(problem !== undefined)(`beside Debian 13's skopeo (${problem ?? "at hand"})`, () => {
  const start = () => startOf("skopeo");

  test("a layer of it has the same entries and chunks, and tar-split data that fit", async () => {
    await compare(start(), "new", true);
  });

  test("it reads a layer of Dowel", async () => {
    expect(Buffer.compare(await unpackedBy(start(), "written-new"), tar)).toBe(0);
  });

  test("with enable_partial_images it pulls only the parts of Dowel's layers that are not there", async () => {
    await using registry = await startWatched(join(folder, "registry"));
    using storage = makeStorage(join(folder, "storage"));
    const contents = (changed: number): TarInput[] => [
      { entry: entry("usr", { type: "directory", mode: 0o755 }) },
      ...Array.from({ length: 20 }, (_, at) => file(`usr/f${at}`, noise(60_000, at === 7 ? changed : at + 1))),
    ];
    const [program = "", ...words] = start();
    const options = [...words, "copy", "--insecure-policy", "--src-tls-verify=false"];
    for (const changed of [100, 200]) {
      const layout = await layoutOf(`partial-${changed}`, contents(changed));
      await push(`oci:${layout}`, `docker://${registry.host}/hello:1`);
      registry.parts.splice(0);
      const copy = [...options, `docker://${registry.host}/hello:1`, `containers-storage:hello:${changed}`];
      await promisify(execFile)(program, copy, { env: storage.environment });
    }
    // the tables, then the one file that is new
    expect(registry.parts).toHaveLength(2);
    const fetched = registry.parts.reduce((sum, { size }) => sum + size, 0);
    expect(fetched).toBeGreaterThan(60_000);
    expect(fetched).toBeLessThan(80_000);
    const shown = join(folder, "shown");
    const back = [...words, "copy", "--insecure-policy", "containers-storage:hello:200", `dir:${shown}`];
    await promisify(execFile)(program, back, { env: storage.environment });
    const archive = await gather(writeTar(contents(200)));
    expect(readdirSync(shown)).toContain(sha256(archive));
  });
});
