// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { type ImageLayout, writeImage } from "../../../src/builder/image/image.ts";
import type { LayerCompression } from "../../../src/builder/image/layer.ts";
import { addParents, type Tree, textContent } from "../../../src/builder/tree/types.ts";
import { readAnnotations } from "../../../src/formats/zstd-chunked/annotations.ts";
import { loadImage } from "../../../src/oci/image.ts";
import { LayoutSource } from "../../../src/oci/layout.ts";
import { filesOfFolder } from "../../../src/oci/layoutfiles.ts";
import { openLayoutWriter } from "../../../src/oci/layoutwriter.ts";
import { viewDigest, voucherOf } from "../../../src/store/image/voucher.ts";
import { importImage } from "../../../src/store/transfer/import.ts";
import { TestFolder as StoreFolder } from "../../store/images.ts";
import { TestFolder } from "../support.ts";

const ref = { kind: "app", id: "org.example.App", arch: "x86_64", branch: "stable" } as const;
const metadata = "[Application]\nname=org.example.App\nruntime=org.example.Platform/x86_64/1\n";

function sampleTree(folder: TestFolder, order: "forwards" | "backwards"): Tree {
  const large = folder.write("large", Buffer.alloc(3_000_000, "dowel"));
  const entries: [string, Tree extends Map<string, infer E> ? E : never][] = [
    ["files", { kind: "directory" }],
    ["files/bin/run", { kind: "file", executable: true, content: textContent("#!/bin/sh\n") }],
    [
      "files/lib/large",
      { kind: "file", executable: false, content: { kind: "range", path: large, offset: 5, size: 2_999_990 } },
    ],
    [
      "files/lib/part",
      { kind: "file", executable: false, content: { kind: "range", path: large, offset: 3, size: 4 } },
    ],
    ["files/lib/zz", { kind: "file", executable: false, content: textContent("linked") }],
    ["files/lib/aa", { kind: "hardlink", to: "files/lib/zz" }],
    ["files/lib/link", { kind: "symlink", target: "../bin/run" }],
    ["files/lib/empty", { kind: "file", executable: false, content: textContent("") }],
    [`files/${"long/".repeat(60)}${"n".repeat(200)}`, { kind: "file", executable: false, content: textContent("x") }],
    ["metadata", { kind: "file", executable: false, content: textContent(metadata) }],
  ];
  const tree: Tree = new Map();
  for (const [path, entry] of order === "forwards" ? entries : entries.reverse()) {
    addParents(tree, path);
    tree.set(path, entry);
  }
  return tree;
}

async function write(
  folder: TestFolder,
  compression: LayerCompression,
  layout: ImageLayout = "flatpak",
  order: "forwards" | "backwards" = "forwards",
) {
  const path = folder.join("layout");
  const writer = await openLayoutWriter(path);
  const input = { ref, tree: sampleTree(folder, order), metadata, layout, timestamp: 7, subject: "test" };
  const written = await writeImage(writer, input, { compression, signal: undefined });
  await using source = await LayoutSource.open(filesOfFolder(path));
  return { ...written, path, image: await loadImage(source, "app/org.example.App/x86_64/stable", "x86_64") };
}

describe("writeImage()", () => {
  test.each(["gzip", "zstd", "zstd:chunked"] as const)(
    "writes a %s layer that tar unpacks to the same files",
    async (compression) => {
      using folder = new TestFolder();
      const { path, image } = await write(folder, compression);
      const [layer] = image.manifest.layers;
      const blob = `${path}/blobs/${layer?.digest.replace(":", "/")}`;
      const target = folder.write("out/.keep", "").slice(0, -6);
      execFileSync(
        "tar",
        ["-C", target, "--zstd", "-xf", blob].filter((word) => compression !== "gzip" || word !== "--zstd"),
      );
      expect(readdirSync(target).toSorted()).toEqual([".keep", "files", "metadata"]);
      expect(readFileSync(`${target}/files/lib/link`, "utf8")).toBe("#!/bin/sh\n");
      expect(readFileSync(`${target}/files/lib/part`, "utf8")).toBe("eldo");
      expect(statSync(`${target}/files/lib/large`).size).toBe(2_999_990);
      const [one, other] = ["aa", "zz"].map((name) => statSync(`${target}/files/lib/${name}`));
      expect(one?.ino).toBe(other?.ino ?? 0);
      expect([statSync(`${target}/files/bin/run`).mode & 0o7777, one?.mode, one?.mtimeMs]).toEqual([
        0o755, 0o100644, 0,
      ]);
      const tar = execFileSync(compression === "gzip" ? "gzip" : "zstd", ["-dc", blob], { maxBuffer: 1 << 28 });
      const sum = execFileSync("sha256sum", { input: tar, encoding: "utf8" }).slice(0, 64);
      expect(image.config.diffIds.map(String)).toEqual([`sha256:${sum}`]);
    },
  );

  test("labels the image for Flatpak", async () => {
    using folder = new TestFolder();
    const { image, layerSize, installedSize } = await write(folder, "zstd");
    expect(image.labels).toMatchObject({
      ref: "app/org.example.App/x86_64/stable",
      metadata,
      timestamp: 7,
      installedSize,
      downloadSize: layerSize,
    });
    const text = image.labels?.commitMetadata.get("xa.metadata") ?? new Uint8Array();
    expect(Buffer.from(text).toString()).toBe(`${metadata}\0\0s`);
    const size = Buffer.from(image.labels?.commitMetadata.get("xa.installed-size") ?? []);
    expect([Number(size.readBigUInt64BE(0)), size.subarray(8).toString()]).toEqual([installedSize, "\0t"]);
    expect(image.config.architecture).toBe("amd64");
  });

  test.each(["gzip", "zstd", "zstd:chunked"] as const)(
    "gives the same digest in another folder and for another order of the tree, as %s",
    async (compression) => {
      using one = new TestFolder();
      using other = new TestFolder();
      const left = await write(one, compression);
      const right = await write(other, compression, "flatpak", "backwards");
      expect(right.digest).toBe(left.digest);
    },
  );

  test("names the table of contents of a zstd:chunked layer, whose archive is that of the plain one", async () => {
    using folder = new TestFolder();
    const chunked = await write(folder, "zstd:chunked");
    const plain = await write(folder, "zstd");
    expect(chunked.image.config.diffIds).toEqual(plain.image.config.diffIds);
    const annotations = Object.fromEntries(chunked.image.manifest.layers[0]?.annotations ?? []);
    expect(readAnnotations(annotations, chunked.layerSize)?.tarSplit).toBeDefined();
    expect(plain.image.manifest.layers[0]?.annotations).toBeUndefined();
  });

  test.each(["flatpak", "rootfs"] as const)(
    "vouches for the view that an import makes, in the layout %s",
    async (layout) => {
      using folder = new TestFolder();
      using store = new StoreFolder();
      const { path, image } = await write(folder, "zstd:chunked", layout);
      const installation = store.installation();
      await using source = await LayoutSource.open(filesOfFolder(path));
      const { view, imageDigest } = await importImage(installation, source, await source.resolve());
      expect(viewDigest(view, imageDigest)).toBe(voucherOf(image.manifest.annotations)?.view ?? "none");
    },
  );

  test("puts an app below app/ in the rootfs layout", async () => {
    using folder = new TestFolder();
    const { path, image } = await write(folder, "zstd", "rootfs");
    const blob = `${path}/blobs/${image.manifest.layers[0]?.digest.replace(":", "/")}`;
    const names = execFileSync("tar", ["--zstd", "-tf", blob], { encoding: "utf8" }).split("\n");
    expect(names).toContain("app/bin/run");
    expect(names.every((name) => name === "" || name.startsWith("app/"))).toBe(true);
  });

  test("fails where a file is shorter than it was", async () => {
    using folder = new TestFolder();
    const writer = await openLayoutWriter(folder.join("layout"));
    const path = folder.write("short", "abc");
    const content = { kind: "range", path, offset: 0, size: 10 } as const;
    const tree: Tree = new Map([["files", { kind: "file", executable: false, content }]]);
    const input = { ref, tree, metadata, layout: "flatpak", timestamp: 0, subject: "" } as const;
    await expect(writeImage(writer, input, { compression: "zstd", signal: undefined })).rejects.toMatchObject({
      code: "IO",
    });
  });
});
