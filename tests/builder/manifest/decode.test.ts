// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { loadManifest } from "../../../src/builder/manifest/manifest.ts";
import type { Source } from "../../../src/builder/manifest/types.ts";
import { errorOf, TestFolder } from "../support.ts";

const sha = "0123456789abcdef".repeat(4);

function sourcesOf(text: string): readonly Source[] {
  using folder = new TestFolder();
  const path = folder.write(
    "m.json",
    `{"id": "org.example.App", "runtime": "a.b.C", "sdk": "a.b.S", "modules": [{"name": "x", "sources": [${text}]}]}`,
  );
  return loadManifest(path).modules[0]?.sources ?? [];
}

describe("sources", () => {
  test.each([
    ["a.tar", "tar"],
    ["a.tar.gz", "tar-gzip"],
    ["a.tgz", "tar-gzip"],
    ["a.tar.xz", "tar-xz"],
    ["a.tar.zst", "tar-zst"],
    ["a.tar.bz2", "tar-bzip2"],
    ["a.zip", "zip"],
    ["a.7z", "7z"],
  ] as const)("archive %s is of the kind %s", (name, format) => {
    const [source] = sourcesOf(`{"type": "archive", "url": "https://e.org/x/${name}?v=1", "sha256": "${sha}"}`);
    expect(source).toMatchObject({ type: "archive", filename: name, format, stripComponents: 1 });
  });

  test("archive needs a kind where the name does not tell it", () => {
    const text = `{"type": "archive", "url": "https://e.org/x", "sha256": "${sha}"`;
    expect(errorOf(() => sourcesOf(`${text}}`)).message).toContain("expected a name that tells the kind of archive");
    expect(sourcesOf(`${text}, "archive-type": "tar-xz"}`)[0]).toMatchObject({ format: "tar-xz" });
  });

  test("inline takes base64", () => {
    const [source] = sourcesOf('{"type": "inline", "contents": "aGk=", "base64": true, "dest-filename": "a"}');
    expect(source?.type === "inline" && Buffer.from(source.contents).toString()).toBe("hi");
  });

  test("git refuses addresses that git would take for options", () => {
    const error = errorOf(() => sourcesOf('{"type": "git", "url": "--upload-pack=touch x"}'));
    expect(error.message).toContain("expected an address that does not begin with '-'");
  });

  test.each([
    ['{"type": "svn"}', 'expected the key "url"'],
    ['{"type": "bzr", "url": "--x"}', "expected an address that does not begin with '-'"],
    ['{"type": "svn", "url": "https://e.org/x", "revision": "-1"}', "expected a revision"],
    ['{"type": "extra-data"}', 'expected the key "filename"'],
    [
      `{"type": "extra-data", "filename": "../x", "url": "https://e.org/", "sha256": "${sha}", "size": 1}`,
      "a file name",
    ],
    [`{"type": "extra-data", "filename": "..", "url": "https://e.org/", "sha256": "${sha}", "size": 1}`, "a file name"],
    [`{"type": "extra-data", "filename": "x", "url": "file:///etc/x", "sha256": "${sha}", "size": 1}`, "http or https"],
    ['{"type": "extra-data", "filename": "x", "url": "https://e.org/", "sha256": "0", "size": 1}', "64 hex digits"],
  ])("%s is refused with its place", (text, message) => {
    const error = errorOf(() => sourcesOf(text));
    expect([error.code, error.message]).toEqual(["MANIFEST_INVALID", expect.stringContaining(message)]);
    expect(error.message).toMatch(/m\.json:1:\d+: /);
  });

  test("data: addresses need a name but no checksum", () => {
    expect(errorOf(() => sourcesOf('{"type": "file", "url": "data:,x"}')).message).toContain('the key "dest-filename"');
    const [source] = sourcesOf('{"type": "file", "url": "data:,x", "dest-filename": "n"}');
    expect(source).toMatchObject({ type: "file", filename: "n" });
  });
});

describe("manifests as people write them", () => {
  test("a desktop app with several modules, shared options and extension points", () => {
    using folder = new TestFolder();
    const path = folder.write(
      "org.example.Editor.yaml",
      `
# An editor
app-id: org.example.Editor
runtime: org.gnome.Platform
runtime-version: '48'
sdk: org.gnome.Sdk
command: editor
rename-desktop-file: editor.desktop
rename-icon: editor
finish-args:
  - --share=ipc
  - --socket=fallback-x11
  - --filesystem=xdg-documents:ro   # books
add-extensions:
  org.example.Editor.Plugin:
    directory: lib/plugins
    subdirectories: true
    no-autodownload: true
build-options:
  cflags: -O2
  env:
    V: '1'
  arch:
    aarch64:
      cflags: -mcpu=native
cleanup: [/include, '*.la', '*.a']
modules:
  - name: spell
    config-opts: [--disable-static]
    rm-configure: true
    sources:
      - type: archive
        url: https://example.org/spell-1.0.tar.xz
        sha512: ${sha}${sha}
        mirror-urls: [https://mirror.example.org/spell-1.0.tar.xz]
        x-checker-data: {type: anitya, project-id: 1, stable-only: true}
      - {type: patch, paths: [a.patch, b.patch], strip-components: 2}
      - {type: script, dest-filename: autogen.sh, commands: [autoreconf -fiv]}
  - name: editor
    buildsystem: meson
    builddir: true
    config-opts:
      - -Dtests=false
    post-install:
      - install -d /app/share
    only-arches: [x86_64]
    cleanup: [/share/vala]
    sources:
      - {type: git, url: 'https://example.org/editor.git', tag: v1, commit: ${"a".repeat(40)}}
`,
    );
    const manifest = loadManifest(path);
    expect(manifest.modules.map(({ name, buildSystem }) => [name, buildSystem])).toEqual([
      ["spell", "autotools"],
      ["editor", "meson"],
    ]);
    expect(manifest.buildOptions.arch.get("aarch64")?.flags.cflags?.text).toBe("-mcpu=native");
    expect(manifest.extensions.get("org.example.Editor.Plugin")).toEqual([
      ["directory", "lib/plugins"],
      ["no-autodownload", "true"],
      ["subdirectories", "true"],
    ]);
    expect(manifest.modules[0]?.sources[0]).toMatchObject({
      origin: { urls: ["https://example.org/spell-1.0.tar.xz", "https://mirror.example.org/spell-1.0.tar.xz"] },
    });
  });
});
