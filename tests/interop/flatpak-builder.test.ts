// SPDX-License-Identifier: Apache-2.0
// The same manifests read by flatpak-builder and by Dowel.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { relative, resolve } from "node:path";
import { manifestFiles, showManifest } from "../../src/builder/manifest/show.ts";
import { TestFolder } from "../builder/support.ts";

const folder = new TestFolder();
const before = process.cwd();
beforeAll(() => process.chdir(folder.path));
afterAll(() => {
  process.chdir(before);
  folder[Symbol.dispose]();
});

const sha = "0123456789abcdef".repeat(4);

const manifest = `app-id: org.example.App
branch: test
runtime: org.example.Platform
runtime-version: "1"
sdk: org.example.Sdk
sdk-extensions: [org.example.Sdk.Extension.x]
base: org.example.Base
base-version: "2"
base-extensions: [org.example.Base.Plugin]
inherit-extensions: [org.example.Base.Plugin]
command: app
tags: [nightly]
finish-args: [--share=network, "--extra-data=x:${sha}:1::https://e.org/x"]
add-extensions:
  org.example.App.Plugin: {directory: lib/plugins, version: "1", merge-dirs: a;b, download-if: active-gl-driver}
  org.example.App.Bundled: {directory: lib/bundled, bundle: true}
add-build-extensions:
  org.example.Tools: {directory: tools, remove-after-build: true}
build-options:
  cflags: -O2
  env: {A: "1"}
  arch:
    x86_64: {cflags: -m64, strip: true}
cleanup: [/include, "*.la"]
cleanup-commands: ["true"]
rename-icon: old
copy-icon: true
modules:
  - shared.json
  - name: last
    buildsystem: meson
    config-opts: [-Da=b]
    secret-opts: [-Dkey=$KEY]
    post-install: ["true"]
    x-note: {kept: true}
    sources:
      - {type: git, url: "https://e.org/x.git", tag: v1, commit: ${"0a".repeat(20)}}
      - sources.yml
      - {type: svn, url: "https://e.org/svn", revision: "7"}
      - {type: extra-data, filename: data, url: "https://e.org/d", sha256: ${sha}, size: 5}
      - {type: shell, commands: ["true"]}
`;

test("a manifest with what it includes is read as flatpak-builder reads it", () => {
  folder.write("org.example.App.yml", manifest);
  folder.write(
    "shared.json",
    JSON.stringify({
      name: "shared",
      "build-commands": ["make"],
      buildsystem: "simple",
      cleanup: ["/share/man"],
      sources: [
        { type: "archive", url: "https://e.org/a.tar.xz", sha256: sha, "strip-components": 0 },
        { type: "patch", path: "fix.patch" },
      ],
      modules: [{ name: "inner", "no-autogen": true, sources: [{ type: "dir", path: "tree" }] }],
    }),
  );
  folder.write("sources.yml", "- {type: file, path: one.txt, dest: sub}\n- {type: patch, paths: [two.patch]}\n");
  const theirs = execFileSync("flatpak-builder", ["--show-manifest", "org.example.App.yml"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  expect(JSON.parse(showManifest("org.example.App.yml"))).toEqual(JSON.parse(theirs));
});

test("the files that a manifest needs are those that flatpak-builder lists", () => {
  const theirs = execFileSync("flatpak-builder", ["--show-deps", "org.example.App.yml"], { encoding: "utf8" });
  const mine = manifestFiles("org.example.App.yml");
  expect(mine.toSorted()).toEqual(["fix.patch", "one.txt", "shared.json", "sources.yml", "tree", "two.patch"]);
  const listed = new Set(
    theirs
      .split("\n")
      .filter(Boolean)
      .map((file) => relative(process.cwd(), resolve(file))),
  );
  for (const file of listed) expect(mine).toContain(file);
  expect(listed.size).toBeGreaterThan(2);
});
