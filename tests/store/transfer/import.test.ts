// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DowelEvent } from "../../../src/base/events.ts";
import { fsVerityDigest } from "../../../src/formats/fsverity/digest.ts";
import { loadImage } from "../../../src/store/image/stored.ts";
import { filesOf, findNode } from "../../../src/store/image/tree.ts";
import type { Installation } from "../../../src/store/installation.ts";
import { objectPath } from "../../../src/store/objects/paths.ts";
import { importImage } from "../../../src/store/transfer/import.ts";
import {
  appLabels,
  appMetadata,
  type Files,
  layersLayout,
  openImage,
  TestFolder,
  tarOf,
  tarOfFiles,
  writeApp,
  writeTree,
} from "../images.ts";

const id = "org.test.Hello";
const metadata = appMetadata(id);

async function importLayout(installation: Installation, layout: string, events: DowelEvent[] = []) {
  const { source, document } = await openImage(layout);
  return await importImage(installation, source, document, { report: (event) => events.push(event) });
}

function storedObjects(installation: Installation): string[] {
  return readdirSync(installation.objects).flatMap((folder) =>
    readdirSync(join(installation.objects, folder)).map((name) => folder + name),
  );
}

function expectUntouched(installation: Installation): void {
  expect(readdirSync(installation.images)).toEqual([]);
  expect(readdirSync(installation.tmp).filter((name) => name !== "blobs")).toEqual([]);
}

const runtimeLabels = {
  "org.flatpak.ref": "runtime/org.test.Platform/x86_64/1",
  "org.flatpak.metadata": "[Runtime]\nname=org.test.Platform\n",
};

describe("importImage()", () => {
  test("stores each content once, named by its fs-verity digest, read-only", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const text = "same content, longer than what is kept in the image itself ".repeat(3);
    const big = Buffer.alloc(2_500_000, "big");
    const files = { "files/a": text, "files/b:755": text, "files/big": big, "files/copy": big, "files/tiny": "x" };
    const image = await importLayout(installation, writeApp(folder, id, files));

    const hex = (bytes: Uint8Array) => Buffer.from(fsVerityDigest(bytes)).toString("hex");
    const expected = [text, big, metadata].map((content) => hex(Buffer.from(content))).sort();
    expect(storedObjects(installation).sort()).toEqual(expected);
    expect(image.newObjects).toBe(3);
    const status = statSync(objectPath(installation, hex(big)));
    expect([status.mode & 0o7777, status.mtimeMs, status.size]).toEqual([0o444, 0, big.length]);
    expect(readFileSync(objectPath(installation, hex(big)))).toEqual(big);
    expect(readdirSync(installation.tmp)).toEqual([]);
  });

  for (const compression of ["gzip", "zstd", "none"] as const) {
    test(`reads layers packed with ${compression}`, async () => {
      using folder = new TestFolder();
      const layer = tarOfFiles({ metadata, "files/a": "1" });
      const image = await importLayout(folder.installation(), layersLayout(folder, [layer], { compression }));
      expect(image).toMatchObject({ ref: { id }, metadata, files: 1, installedSize: 1 });
    });
  }

  test("applies several layers with whiteouts and hard links", async () => {
    using folder = new TestFolder();
    const tree = writeTree(join(folder.path, "tree"), { metadata, "files/a": "1", "files/old/x": "2" });
    execFileSync("ln", [join(tree, "files/a"), join(tree, "files/linked")]);
    const upper = tarOfFiles({ "files/a": "3", "files/.wh.old": "" });
    const image = await importLayout(folder.installation(), layersLayout(folder, [tarOf(tree), upper]));
    const app = findNode(image.view.root, ["app"]);
    expect(app?.kind === "folder" && [...app.children.keys()].sort()).toEqual(["a", "linked"]);
    expect([...filesOf(image.view.root)].map((file) => String(Buffer.from(file.content.inline ?? []))).sort()).toEqual([
      "1",
      "3",
    ]);
  });

  test("writes an image that mkcomposefs's rules make, with the digest that fsverity computes", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const image = await importLayout(installation, writeApp(folder, id, { "files/a": "a".repeat(100) }));
    const path = join(installation.images, image.commit, "image.cfs");
    const output = execFileSync("fsverity", ["digest", "--compact", path], { encoding: "utf8" });
    expect(output.trim()).toBe(image.imageDigest);
    execFileSync("fsck.erofs", [path]);
  });

  test("does not fetch a layer again that another image brought", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const base = tarOfFiles({ metadata, "files/base": "b".repeat(1000) });
    await importLayout(installation, layersLayout(folder, [base]));
    const events: DowelEvent[] = [];
    const image = await importLayout(
      installation,
      layersLayout(folder, [base, tarOfFiles({ "files/a": "1" })]),
      events,
    );
    expect(events.filter((event) => event.type === "fetch.done").map((event) => event.reused)).toEqual([true, false]);
    expect(image.files).toBe(2);
    expect(image.newObjects).toBe(0);
  });

  test("fetches a layer again when one of its objects is gone", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const layout = writeApp(folder, id, { "files/a": "a".repeat(1000) });
    await importLayout(installation, layout);
    execFileSync("sh", ["-c", `rm -rf ${installation.objects}/*`]);
    expect((await importLayout(installation, layout)).newObjects).toBe(2);
  });

  test("needs only those objects of a known layer that the image shows", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const base = tarOfFiles({ "usr/a": "a".repeat(1000), "var/b": "b".repeat(1000) });
    const runtime = await importLayout(installation, layersLayout(folder, [base], { labels: runtimeLabels }));
    // What garbage collection does to an object that no image shows.
    const list = readFileSync(join(installation.images, runtime.commit, "objects.list"), "utf8");
    for (const digest of storedObjects(installation))
      if (!list.includes(digest)) rmSync(objectPath(installation, digest));
    expect(storedObjects(installation)).toHaveLength(1);
    const events: DowelEvent[] = [];
    const app = tarOfFiles({ "app/c": "1" });
    await importLayout(installation, layersLayout(folder, [base, app]), events);
    expect(events.filter((event) => event.type === "fetch.done").map((event) => event.reused)).toEqual([true, false]);
  });

  test("gives what loadImage() reads back", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const files = { "files/bin/a:755": "#!/bin/sh\n", "files/l": "-> bin/a", "export/share/x": "y".repeat(100) };
    const image = await importLayout(installation, writeApp(folder, id, files));
    expect(loadImage(installation, image.commit)).toEqual({ ...image, newObjects: 0, isWhole: false });
    expect(loadImage(installation, "0".repeat(64))).toBeUndefined();
  });
});

describe("importImage() of a root file system", () => {
  const cases: readonly [name: string, labels: Record<string, string>, files: Files, shown: string[]][] = [
    [
      "shows /app of an app and drops the rest",
      appLabels(id),
      { "app/bin/hello:755": "#!", "usr/bin/sh:755": "#!", "etc/passwd": "root" },
      ["app/bin/hello"],
    ],
    [
      "shows /usr of a runtime with /etc in it",
      runtimeLabels,
      { "usr/bin/sh:755": "#!", bin: "-> usr/bin", "etc/os-release": "x", "var/log/x": "x" },
      ["usr/bin/sh", "usr/etc/os-release"],
    ],
    ["keeps usr/etc where it is there already", runtimeLabels, { "usr/etc/a": "x", "etc/b": "x" }, ["usr/etc/a"]],
    [
      "merges real /bin and /lib folders into /usr",
      runtimeLabels,
      { "usr/bin/env": "1", "bin/env": "2", "bin/sh": "3", "lib/ld.so": "4", "usr/lib/x/a": "5", "lib/x/b": "6" },
      ["usr/bin/env", "usr/bin/sh", "usr/lib/ld.so", "usr/lib/x/a", "usr/lib/x/b"],
    ],
  ];
  for (const [name, labels, files, shown] of cases) {
    test(name, async () => {
      using folder = new TestFolder();
      const installation = folder.installation();
      const image = await importLayout(installation, layersLayout(folder, [tarOfFiles(files)], { labels }));
      const paths = (folder: typeof image.view.root, below: string): string[] =>
        [...folder.children].flatMap(([key, node]) =>
          node.kind === "folder" ? paths(node, `${below}${key}/`) : node.kind === "file" ? [below + key] : [],
        );
      expect(paths(image.view.root, "").sort()).toEqual(shown);
    });
  }
});

describe("importImage() refuses", () => {
  const layer = tarOfFiles({ metadata, "files/a": "1" });
  const labels = appLabels(id);
  const images: readonly [name: string, layers: Uint8Array[], labels: Record<string, string>, code: string][] = [
    ["an image without a ref", [layer], {}, "IMAGE_UNSUITABLE"],
    ["an image with a malformed ref", [layer], { "org.flatpak.ref": "app/../../etc/x/y" }, "REF_INVALID"],
    ["an image with neither layout", [tarOfFiles({ "etc/a": "1" })], labels, "IMAGE_UNSUITABLE"],
    [
      "an app without metadata",
      [tarOfFiles({ "app/a": "1" })],
      { "org.flatpak.ref": `app/${id}/x86_64/1` },
      "IMAGE_UNSUITABLE",
    ],
    [
      "a label that differs from the file (CVE-2021-43860)",
      [layer],
      { ...labels, "org.flatpak.metadata": `${metadata}#` },
      "METADATA_INVALID",
    ],
    [
      "metadata with NUL (CVE-2021-43860)",
      [tarOfFiles({ metadata: `${metadata}\0[Context]\n`, "files/a": "" })],
      { "org.flatpak.ref": `app/${id}/x86_64/1` },
      "METADATA_INVALID",
    ],
    [
      "metadata with escape sequences (CVE-2023-28101)",
      [tarOfFiles({ metadata: `${metadata}#\x1b[2J\n`, "files/a": "" })],
      { "org.flatpak.ref": `app/${id}/x86_64/1` },
      "METADATA_INVALID",
    ],
    [
      "metadata that is not text",
      [tarOfFiles({ metadata: Buffer.from([0xff]), "files/a": "" })],
      { "org.flatpak.ref": `app/${id}/x86_64/1` },
      "METADATA_INVALID",
    ],
    ["metadata of another app", [layer], { "org.flatpak.ref": "app/org.test.Other/x86_64/stable" }, "METADATA_INVALID"],
    [
      "metadata of an app for a runtime",
      [layer],
      { "org.flatpak.ref": `runtime/${id}/x86_64/stable` },
      "METADATA_INVALID",
    ],
    [
      "metadata that is too large",
      [tarOfFiles({ metadata: Buffer.alloc(4 * 1024 * 1024 + 1, "#"), "files/a": "" })],
      { "org.flatpak.ref": `app/${id}/x86_64/1` },
      "LIMIT_EXCEEDED",
    ],
    ["a layer that is not a tar", [Buffer.alloc(2048, "x")], labels, "TAR_INVALID"],
    ["no layers", [], labels, "OCI_MANIFEST_INVALID"],
  ];
  for (const [name, layers, imageLabels, code] of images) {
    test(name, async () => {
      using folder = new TestFolder();
      const installation = folder.installation();
      const layout = layersLayout(folder, layers, { labels: imageLabels });
      await expect(importLayout(installation, layout)).rejects.toMatchObject({ code });
      expectUntouched(installation);
    });
  }

  const tars: readonly [name: string, script: string][] = [
    ["a path with ..", "echo x > evil; tar -P --transform='s,evil,files/../../evil,' -cf out evil"],
    ["an absolute path", 'echo x > evil; tar -P --transform="s,evil,/tmp/evil," -cf out evil'],
    [
      "a hard link to a file of the host (GHSA-9rww-v4mm-x4jg)",
      "echo x > a; ln a b; tar -P --transform='s,^a$,/etc/passwd,;s,^b$,files/b,' -cf out a b; tar --delete -Pf out /etc/passwd",
    ],
    [
      "a hard link with .. (GHSA-9rww-v4mm-x4jg)",
      "echo x > a; ln a b; tar -P --transform='s,^a$,../../etc/passwd,' -cf out a b; tar --delete -Pf out ../../etc/passwd",
    ],
    [
      "a file below a link",
      "ln -s /tmp files; tar -cf out files; rm files; mkdir files; echo x > files/evil; tar -rf out files/evil",
    ],
    ["a name twice", "echo x > a; tar -cf out a; tar -rf out a"],
    ["a FIFO", "mkfifo a; tar -cf out a"],
    ["a device", "mknod a c 1 3; tar -cf out a"],
  ];
  for (const [name, script] of tars) {
    test(name, async () => {
      using folder = new TestFolder();
      const installation = folder.installation();
      const work = join(folder.path, "work");
      mkdirSync(work);
      execFileSync("sh", ["-e", "-c", script], { cwd: work });
      const layout = layersLayout(folder, [readFileSync(join(work, "out"))]);
      await expect(importLayout(installation, layout)).rejects.toMatchObject({ code: "TAR_UNSAFE" });
      expectUntouched(installation);
      expect(readdirSync(installation.layers)).toEqual([]);
    });
  }

  test("a layer whose unpacked bytes have another digest", async () => {
    using folder = new TestFolder();
    const installation = folder.installation();
    const layout = layersLayout(folder, [layer]);
    const document = JSON.parse(readFileSync(join(layout, "index.json"), "utf8"));
    const path = (digest: string) => join(layout, "blobs", digest.replace(":", "/"));
    const manifest = JSON.parse(readFileSync(path(document.manifests[0].digest), "utf8"));
    const config = readFileSync(path(manifest.config.digest), "utf8").replace(/("diff_ids":\["sha256:)..../, "$10000");
    const sum = (text: string) => `sha256:${execFileSync("sha256sum", { input: text, encoding: "utf8" }).slice(0, 64)}`;
    const put = (text: string) => {
      writeFileSync(path(sum(text)), text);
      return { digest: sum(text), size: text.length };
    };
    Object.assign(manifest.config, put(config));
    Object.assign(document.manifests[0], put(JSON.stringify(manifest)));
    writeFileSync(join(layout, "index.json"), JSON.stringify(document));
    await expect(importLayout(installation, layout)).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  });

  test("files that are setuid or writable for all: they lose those bits (CVE-2017-9780)", async () => {
    using folder = new TestFolder();
    const files = { metadata, "files/a:4755": "x", "files/b:2777": "x", "files/c:666": "x" };
    const image = await importLayout(folder.installation(), layersLayout(folder, [tarOfFiles(files)]));
    expect([...filesOf(image.view.root)].map((file) => file.executable)).toEqual([true, true, false]);
  });
});
