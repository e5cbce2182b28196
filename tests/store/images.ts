// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { openLayout } from "../../src/oci/layout.ts";
import { createInstallation, type Installation } from "../../src/store/installation.ts";
import { mountPoint } from "../../src/store/shown.ts";
import { listMounts, unmount } from "../../src/sys/mounts.ts";

/** A folder that goes away with `using`, together with what is mounted from the installations in it. */
export class TestFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "dowel-store-"));
  readonly #installations: Installation[] = [];

  installation(name = "store", kind: "user" | "system" = "user", known = "test"): Installation {
    const installation = createInstallation({ name: known, kind, path: join(this.path, name), priority: 0 });
    this.#installations.push(installation);
    return installation;
  }

  [Symbol.dispose](): void {
    for (const { path } of this.#installations) {
      const mounts = dirname(mountPoint(path, "x"));
      for (const { target } of listMounts()) if (target.startsWith(`${mounts}/`)) unmount(target);
      rmSync(mounts, { recursive: true, force: true });
    }
    for (const { target } of listMounts()) if (target.startsWith(`${this.path}/`)) unmount(target);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Files of a tree by path: a text or bytes, `-> TARGET` for a link; a mode after a colon in the path: `bin/x:755`. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

export function writeTree(folder: string, files: Files): string {
  for (const [key, content] of Object.entries(files)) {
    const [path = "", mode = "644"] = key.split(":");
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    if (typeof content === "string" && content.startsWith("-> ")) {
      execFileSync("ln", ["-s", content.slice(3), target]);
    } else {
      writeFileSync(target, content, { mode: Number.parseInt(mode, 8) });
      execFileSync("chmod", [mode, target]);
    }
  }
  return folder;
}

/** The tar of a folder, as GNU tar makes it. */
export function tarOf(folder: string): Buffer {
  const options = ["--format=posix", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"];
  return execFileSync("tar", [...options, "-C", folder, "-cf", "-", "."], { maxBuffer: 2 ** 31 - 1 });
}

export interface LayoutOptions {
  readonly compression?: "gzip" | "zstd" | "none";
  readonly labels?: Readonly<Record<string, string>>;
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Writes an OCI layout with one image of the given layers (tar bytes); answers the digest of its manifest. */
function writeLayout(path: string, layers: readonly Uint8Array[], options: LayoutOptions = {}): string {
  const { compression = "gzip", labels = {} } = options;
  mkdirSync(join(path, "blobs/sha256"), { recursive: true });
  const put = (mediaType: string, bytes: Uint8Array) => {
    const digest = sha256(bytes);
    writeFileSync(join(path, "blobs", digest.replace(":", "/")), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const suffix = compression === "none" ? "" : `+${compression}`;
  const pack = { gzip: gzipSync, zstd: zstdCompressSync, none: (tar: Uint8Array) => tar }[compression];
  const config = {
    architecture: "amd64",
    os: "linux",
    config: { Labels: labels },
    rootfs: { type: "layers", diff_ids: layers.map(sha256) },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: put("application/vnd.oci.image.config.v1+json", Buffer.from(JSON.stringify(config))),
    layers: layers.map((tar) => put(`application/vnd.oci.image.layer.v1.tar${suffix}`, pack(tar))),
  };
  const descriptor = put(manifest.mediaType, Buffer.from(JSON.stringify(manifest)));
  writeFileSync(join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
  return descriptor.digest;
}

/** Names of the layers that are known; the tables that are kept beside them are left out. */
export function layerRecords({ layers }: { readonly layers: string }): string[] {
  return readdirSync(layers).filter((name) => !name.endsWith(".toc"));
}

export function appMetadata(id: string): string {
  return `[Application]\nname=${id}\nruntime=org.test.Platform/x86_64/stable\ncommand=hello\n`;
}

export function appLabels(id: string, branch = "stable"): Record<string, string> {
  return { "org.flatpak.ref": `app/${id}/x86_64/${branch}`, "org.flatpak.metadata": appMetadata(id) };
}

/** A layout of an image made of the given layers; the labels are those of an app unless others are given. */
export function layersLayout(folder: TestFolder, layers: readonly Uint8Array[], options: LayoutOptions = {}): string {
  const layout = mkdtempSync(join(folder.path, "layout-"));
  writeLayout(layout, layers, { labels: appLabels("org.test.Hello"), ...options });
  return layout;
}

/** The tar of files, made by way of a folder that is removed again. */
export function tarOfFiles(files: Files): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "dowel-tree-"));
  try {
    return tarOf(writeTree(folder, files));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An OCI layout of an app in Flatpak's layout, with the files given below `files/` or at the top. */
export function writeApp(folder: TestFolder, id: string, files: Files, branch = "stable"): string {
  const name = `${id}-${branch}-${createHash("sha256").update(JSON.stringify(files)).digest("hex").slice(0, 8)}`;
  const tree = writeTree(join(folder.path, `${name}-tree`), { metadata: appMetadata(id), ...files });
  const layout = join(folder.path, `${name}-layout`);
  writeLayout(layout, [tarOf(tree)], { labels: appLabels(id, branch) });
  return layout;
}

export async function openImage(layout: string) {
  const source = await openLayout(layout);
  return { source, document: await source.resolve() };
}

/** All of a tree as `find` sees it, for comparison: type, permissions, link target, size, digest of files. */
export function describeTree(folder: string, format = "%P %y %m %l"): string {
  const listing = execFileSync("find", [folder, "-printf", `${format}\\n`], { encoding: "utf8" });
  const sums = execFileSync("sh", ["-c", 'cd "$1" && find . -type f -exec sha256sum {} +', "sh", folder], {
    encoding: "utf8",
  });
  return [...listing.split("\n").sort(), ...sums.split("\n").sort()].join("\n");
}
