// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DowelError } from "../../../src/base/errors.ts";
import type { Descriptor } from "../../../src/oci/descriptor.ts";
import type { BlobOptions, ImageSource } from "../../../src/oci/source.ts";
import type { Installation } from "../../../src/store/installation.ts";
import { pinObjects } from "../../../src/store/locks.ts";
import { importImage } from "../../../src/store/transfer/import.ts";
import { appMetadata, layersLayout, openImage, TestFolder, tarOfFiles } from "../images.ts";

const size = 12 * 1024 * 1024;
const layer = () => tarOfFiles({ metadata: appMetadata("org.test.Hello"), "files/a": randomBytes(size) });

/** A source whose blobs end with an error after so many bytes, once; it notes what is asked for. */
class Breaking implements ImageSource {
  readonly name: string;
  readonly offsets: number[] = [];
  readonly #source: ImageSource;
  #left: number;

  constructor(source: ImageSource, after: number) {
    this.name = source.name;
    this.#source = source;
    this.#left = after;
  }

  resolve = (reference?: string) => this.#source.resolve(reference);
  fetchDocument = (descriptor: Descriptor) => this.#source.fetchDocument(descriptor);
  openRange: ImageSource["openRange"] = (descriptor, range) => this.#source.openRange(descriptor, range);

  async *openBlob(descriptor: Descriptor, options: BlobOptions = {}) {
    this.offsets.push(options.offset ?? 0);
    for await (const chunk of this.#source.openBlob(descriptor, options)) {
      this.#left -= chunk.length;
      yield chunk;
      if (this.#left <= 0) {
        this.#left = Number.POSITIVE_INFINITY;
        throw new DowelError("REGISTRY_UNREACHABLE", "the line is dead");
      }
    }
  }

  async [Symbol.asyncDispose]() {}
}

/** The same source as if it were far away. */
const remote = (source: ImageSource) => new Breaking(source, Number.POSITIVE_INFINITY);

const parts = (installation: Installation) => {
  const blobs = join(installation.tmp, "blobs");
  return existsSync(blobs) ? readdirSync(blobs) : [];
};

test("importImage() continues an interrupted transfer where it stopped", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const { source, document } = await openImage(layersLayout(folder, [layer()]));
  const breaking = new Breaking(source, size / 2);
  await expect(importImage(installation, breaking, document)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  expect(readdirSync(installation.images)).toEqual([]);
  expect(parts(installation)).toHaveLength(1);

  const image = await importImage(installation, breaking, document);
  expect(image.files).toBe(1);
  expect(breaking.offsets[0]).toBe(0);
  expect(breaking.offsets[1]).toBeGreaterThanOrEqual(size / 2);
  expect(parts(installation)).toEqual([]);
});

test("importImage() fetches only the layers that had not come before an interruption", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const base = layer();
  const upper = tarOfFiles({ "files/b": randomBytes(size) });
  const { source, document } = await openImage(layersLayout(folder, [base, upper]));
  const breaking = new Breaking(source, size + size / 2);
  await expect(importImage(installation, breaking, document)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  await importImage(installation, breaking, document);
  expect(breaking.offsets).toHaveLength(3);
  expect(breaking.offsets[2]).toBeGreaterThan(0);
});

test("importImage() drops kept bytes that turn out to be wrong", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const { source, document } = await openImage(layersLayout(folder, [layer()], { compression: "none" }));
  await expect(importImage(installation, new Breaking(source, size / 2), document)).rejects.toThrow("dead");
  const part = join(installation.tmp, "blobs", parts(installation)[0] ?? "");
  execFileSync("dd", ["if=/dev/zero", `of=${part}`, "bs=4096", "seek=1000", "count=1", "conv=notrunc"], {
    stdio: "ignore",
  });
  await expect(importImage(installation, remote(source), document)).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  expect(parts(installation)).toEqual([]);
  expect((await importImage(installation, source, document)).files).toBe(1);
});

test("importImage() stops when it is cancelled and leaves no image", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const { source, document } = await openImage(layersLayout(folder, [layer()]));
  const controller = new AbortController();
  const report = (event: { type: string }) => event.type === "fetch.progress" && controller.abort();
  const { signal } = controller;
  await expect(importImage(installation, source, document, { report, signal })).rejects.toMatchObject({
    code: "ABORTED",
  });
  expect(readdirSync(installation.images)).toEqual([]);
});

test("pinObjects() sweeps what a killed process left, but not what a living one works on", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const script = join(folder.path, "hold.ts");
  const locks = join(import.meta.dir, "../../../src/store/locks.ts");
  writeFileSync(
    script,
    `import { pinObjects } from ${JSON.stringify(locks)};
import { mkdirSync } from "node:fs";
const pin = await pinObjects(${JSON.stringify(installation)});
mkdirSync(${JSON.stringify(join(installation.tmp, "objects-left/x"))}, { recursive: true });
console.log("ready", pin !== undefined);
setInterval(() => {}, 1000);`,
  );
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  (await pinObjects(installation))[Symbol.dispose]();
  expect(readdirSync(installation.tmp)).toContain("objects-left");

  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
  mkdirSync(join(installation.tmp, "blobs"), { recursive: true });
  writeFileSync(join(installation.tmp, "blobs/new.part"), "x");
  writeFileSync(join(installation.tmp, "blobs/old.part"), "x");
  execFileSync("touch", ["-d", "8 days ago", join(installation.tmp, "blobs/old.part")]);
  (await pinObjects(installation))[Symbol.dispose]();
  expect(readdirSync(installation.tmp)).toEqual(["blobs"]);
  expect(parts(installation)).toEqual(["new.part"]);
});

/** A file system of its own with so many bytes. */
function mountSmall(folder: TestFolder, bytes: number): string {
  const path = join(folder.path, "small");
  mkdirSync(path);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path]);
  return path;
}

test("importImage() leaves nothing but kept bytes when the disk is full, and works once there is room", async () => {
  using folder = new TestFolder();
  // Less than the layer's one file: it cannot fit, whichever is given up first, the file or the kept bytes of the transfer.
  const small = mountSmall(folder, 8 * 1024 * 1024);
  const installation = folder.installation("small/store");
  const image = await openImage(layersLayout(folder, [layer()]));
  const { document } = image;
  const source = remote(image.source);
  await expect(importImage(installation, source, document)).rejects.toMatchObject({ code: "NO_SPACE" });
  expect(readdirSync(installation.images)).toEqual([]);
  expect(readdirSync(installation.objects)).toEqual([]);
  expect(readdirSync(installation.tmp).filter((name) => name !== "blobs")).toEqual([]);

  execFileSync("mount", ["-o", "remount,size=64m", small]);
  expect((await importImage(installation, source, document)).files).toBe(1);
});

test("importImage() asks for nothing when all bytes of a blob are kept", async () => {
  using folder = new TestFolder();
  const small = mountSmall(folder, 30 * 1024 * 1024);
  const installation = folder.installation("small/store");
  // The transfer fits; the last file of the layer does not.
  const files = {
    metadata: appMetadata("org.test.Hello"),
    "files/a": randomBytes(size),
    "files/z": Buffer.alloc(12_000_000),
  };
  const { source, document } = await openImage(layersLayout(folder, [tarOfFiles(files)]));
  const watched = new Breaking(source, Number.POSITIVE_INFINITY);
  await expect(importImage(installation, watched, document)).rejects.toMatchObject({ code: "NO_SPACE" });
  execFileSync("mount", ["-o", "remount,size=64m", small]);
  await importImage(installation, watched, document);
  expect(watched.offsets).toEqual([0]);
});

test("importImage() gives up keeping bytes, not the import, when only those do not fit", async () => {
  using folder = new TestFolder();
  mountSmall(folder, 16 * 1024 * 1024);
  const installation = folder.installation("small/store");
  // Zeros, so that the transfer is larger than what is stored of it only by being kept beside it.
  const content = tarOfFiles({ metadata: appMetadata("org.test.Hello"), "files/a": "x", "files/b": "y" });
  const padded = Buffer.concat([content, Buffer.alloc(20 * 1024 * 1024)]);
  const { source, document } = await openImage(layersLayout(folder, [padded], { compression: "none" }));
  expect((await importImage(installation, remote(source), document)).files).toBe(2);
  expect(statSync(join(installation.tmp, "blobs")).isDirectory()).toBe(true);
  expect(parts(installation)).toEqual([]);
});
