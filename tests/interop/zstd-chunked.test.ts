// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TarInput, writeTar } from "../../src/formats/tar/write.ts";
import { readAnnotations } from "../../src/formats/zstd-chunked/annotations.ts";
import { checkTocAgainstTarSplit } from "../../src/formats/zstd-chunked/crosscheck.ts";
import { openTarSplit, openToc } from "../../src/formats/zstd-chunked/open.ts";
import type { Toc } from "../../src/formats/zstd-chunked/toc.ts";
import { entry, file, gather, noise, writeLayer } from "../formats/zstd-chunked/support.ts";
import { addLayers } from "../support/layout.ts";
import { unpackPackages } from "./mkcomposefs.ts";

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
  const { blob, layer } = await writeLayer(inputs);
  const layout = join(folder, `${name}-layout`);
  const metadata = "[Application]\nname=org.test.Hello\n";
  const mediaType = "application/vnd.oci.image.layer.v1.tar+zstd";
  const { annotations, diffId } = layer;
  addLayers(layout, { ref: "app/org.test.Hello/x86_64/1", metadata }, [{ mediaType, data: blob, diffId, annotations }]);
  const target = join(folder, `${name}-unpacked`);
  const [program = "", ...start] = skopeo;
  const options = ["copy", "--insecure-policy", "--dest-decompress", `oci:${layout}`, `dir:${target}`];
  execFileSync(program, [...start, ...options]);
  return readFileSync(join(target, diffId.slice("sha256:".length)));
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

const cache = "/var/cache/dowel-tests/skopeo-tools";
const problem = existsSync(cache) ? undefined : await unpackPackages("trixie", ["skopeo"], cache);
test("Debian 12's skopeo reads a layer of Dowel", async () => {
  expect(Buffer.compare(await unpackedBy(["skopeo"], "written-old"), tar)).toBe(0);
});

describe.skipIf(problem !== undefined)(`beside Debian 13's skopeo (${problem ?? "at hand"})`, () => {
  const start = (): readonly string[] => {
    const triple = readdirSync(join(cache, "usr/lib")).find((name) => name.endsWith("-linux-gnu")) ?? "";
    const libraries = join(cache, "usr/lib", triple);
    const loader = readdirSync(libraries).find((name) => /^ld-linux.*\.so\.\d+$/.test(name)) ?? "";
    return [join(libraries, loader), "--library-path", libraries, join(cache, "usr/bin/skopeo")];
  };

  test("a layer of it has the same entries and chunks, and tar-split data that fit", async () => {
    await compare(start(), "new", true);
  });

  test("it reads a layer of Dowel", async () => {
    expect(Buffer.compare(await unpackedBy(start(), "written-new"), tar)).toBe(0);
  });
});
