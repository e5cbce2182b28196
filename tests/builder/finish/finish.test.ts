// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import type { DowelEvent } from "../../../src/base/events.ts";
import { finishImages } from "../../../src/builder/finish/finish.ts";
import { makeMetadata } from "../../../src/builder/finish/metadata.ts";
import { loadManifest } from "../../../src/builder/manifest/manifest.ts";
import type { Manifest } from "../../../src/builder/manifest/types.ts";
import { readContent } from "../../../src/builder/tree/read.ts";
import { addParents, fileAt, type Tree, textContent } from "../../../src/builder/tree/types.ts";
import { errorOf, TestFolder } from "../support.ts";

function manifest(more: object): Manifest {
  using folder = new TestFolder();
  const names = {
    id: "org.example.App",
    runtime: "org.example.Platform",
    "runtime-version": "1",
    sdk: "org.example.Sdk",
  };
  return loadManifest(folder.write("m.json", JSON.stringify({ ...names, modules: [], ...more })));
}

const refs = {
  branch: "stable",
  arch: "x86_64",
  runtime: "org.example.Platform/x86_64/1",
  sdk: "org.example.Sdk/x86_64/1",
  parts: { base: undefined, extended: undefined },
  sdkPart: undefined,
};

function metadata(more: object): string {
  return makeMetadata({ manifest: manifest(more), ...refs });
}

function treeOf(files: Readonly<Record<string, string>>): Tree {
  const tree: Tree = new Map();
  for (const [path, text] of Object.entries(files)) {
    addParents(tree, path);
    tree.set(path, { kind: "file", executable: path.startsWith("bin/"), content: textContent(text) });
  }
  return tree;
}

function finish(more: object, files: Readonly<Record<string, string>>, cleanup: readonly string[] = []) {
  const input = manifest(more);
  const events: DowelEvent[] = [];
  const images = finishImages({
    manifest: input,
    ref: { kind: "app", id: "org.example.App", arch: "x86_64", branch: "stable" },
    runtime: refs.runtime,
    metadata: makeMetadata({ manifest: input, ...refs }),
    files: treeOf(files),
    changes: [{ paths: Object.keys(files), cleanup }],
    report: (event) => events.push(event),
  });
  const tree: Tree = images[0]?.tree ?? new Map();
  const text = (path: string): string => {
    const file = fileAt(tree, path);
    return file === undefined ? "" : Buffer.from(readContent(file.content)).toString();
  };
  return { paths: [...tree.keys()].filter((path) => tree.get(path)?.kind !== "directory"), text, events, images };
}

describe("makeMetadata()", () => {
  test("writes names, permissions, tags and extension points", () => {
    const text = metadata({
      command: "run",
      tags: ["nightly"],
      "finish-args": ["--share=network", "--socket=wayland", "--filesystem=home:ro", "--talk-name=org.example.Bus"],
      "add-extensions": { "org.example.App.Plugin": { directory: "plugins", autodelete: true } },
    });
    expect(text).toContain("[Application]\nname=org.example.App\nruntime=org.example.Platform/x86_64/1\n");
    expect(text).toMatch(/\ncommand=run\n/);
    expect(text).toMatch(/\ntags=nightly;\n/);
    expect(text).toMatch(/\[Extension org\.example\.App\.Plugin\]\ndirectory=plugins\nautodelete=true\n/);
    expect(text).toMatch(/\[Context\]\n(.*\n)*shared=network;\n/);
    expect(text).toMatch(/\[Session Bus Policy\]\norg\.example\.Bus=talk\n/);
  });

  test("carries out the options that only build-finish has", () => {
    const text = metadata({
      "finish-args": [
        "--require-version=1.2",
        "--metadata=X-Group=key=a=b",
        "--extension=org.example.Ext=directory=ext",
        "--command=other",
      ],
    });
    expect(text).toMatch(/required-flatpak=1\.2\n/);
    expect(text).toContain("[X-Group]\nkey=a=b\n");
    expect(text).toContain("[Extension org.example.Ext]\ndirectory=ext\n");
    expect(text).toContain("command=other\n");
  });

  test.each([
    [["--share=everything"], "MANIFEST_INVALID"],
    [["--no-such-option"], "MANIFEST_INVALID"],
    [["--metadata=[x"], "MANIFEST_INVALID"],
    [["--extra-data=a:b:c:d:e"], "MANIFEST_INVALID"],
  ] as const)("refuses %p", (options, code) => {
    expect(errorOf(() => metadata({ "finish-args": options })).code).toBe(code);
  });
});

describe("finishImages()", () => {
  test("exports what has the app's name and says what has not", () => {
    const { paths, events } = finish(
      {},
      {
        "share/applications/org.example.App.desktop": "[Desktop Entry]\n",
        "share/applications/other.desktop": "[Desktop Entry]\n",
        "share/icons/hicolor/48x48/apps/org.example.App-tool.png": "",
        "share/icons/hicolor/48x48/apps/other.png": "",
        "share/dbus-1/services/org.example.App.service": "",
        "share/dbus-1/services/org.example.Applications.service": "",
        "share/appdata/org.example.App.appdata.xml": "<component/>",
        "lib/systemd/user/org.example.App.service": "",
      },
    );
    expect(paths.filter((path) => path.startsWith("export/")).toSorted()).toEqual([
      "export/share/applications/org.example.App.desktop",
      "export/share/dbus-1/services/org.example.App.service",
      "export/share/icons/hicolor/48x48/apps/org.example.App-tool.png",
      "export/share/metainfo/org.example.App.metainfo.xml",
    ]);
    const notes = events.flatMap((event) => (event.type === "note" ? [event.text] : []));
    expect(notes.some((text) => text.startsWith("share/applications/other.desktop is not exported"))).toBe(true);
  });

  test("exports nothing with --no-exports", () => {
    const files = { "share/applications/org.example.App.desktop": "[Desktop Entry]\n" };
    const { paths } = finish({ "finish-args": ["--no-exports"] }, files);
    expect(paths.some((path) => path.startsWith("export/"))).toBe(false);
  });

  test("renames desktop file, icon and metainfo and what they say of each other", () => {
    const { paths, text } = finish(
      {
        "rename-desktop-file": "old.desktop",
        "rename-icon": "old",
        "rename-appdata-file": "old.appdata.xml",
        "desktop-file-name-suffix": " (new)",
      },
      {
        "share/applications/old.desktop": "[Desktop Entry]\nName=Old\nName[de]=Alt\nIcon=old\n",
        "share/icons/hicolor/48x48/apps/old.png": "p",
        "share/icons/hicolor/48x48/apps/older.png": "p",
        "share/icons/hicolor/symbolic/apps/old-symbolic.svg": "s",
        "share/appdata/old.appdata.xml":
          '<component><id>old.desktop</id><launchable type="desktop-id">old.desktop</launchable></component>',
      },
    );
    const desktop = text("files/share/applications/org.example.App.desktop");
    expect(desktop).toContain("Icon=org.example.App\n");
    expect(desktop).toContain("Name=Old (new)\nName[de]=Alt (new)\n");
    expect(desktop).toContain("X-Flatpak-RenamedFrom=old.desktop;\n");
    expect(text("files/share/metainfo/org.example.App.metainfo.xml")).toBe(
      '<component><id>org.example.App</id><launchable type="desktop-id">org.example.App.desktop</launchable></component>',
    );
    expect(paths.filter((path) => path.startsWith("files/share/icons")).toSorted()).toEqual([
      "files/share/icons/hicolor/48x48/apps/older.png",
      "files/share/icons/hicolor/48x48/apps/org.example.App.png",
      "files/share/icons/hicolor/symbolic/apps/org.example.App-symbolic.svg",
    ]);
    expect(text("export/share/applications/org.example.App.desktop")).toBe(desktop);
  });

  test("keeps the old icon when it is copied", () => {
    const files = { "share/icons/hicolor/48x48/apps/old.png": "p" };
    const { paths } = finish({ "rename-icon": "old", "copy-icon": true }, files);
    expect(paths).toContain("files/share/icons/hicolor/48x48/apps/old.png");
    expect(paths).toContain("files/share/icons/hicolor/48x48/apps/org.example.App.png");
  });

  test("removes by the module's patterns and by those of the manifest", () => {
    const files = { "include/a.h": "", "lib/x.la": "", "lib/x.so": "" };
    expect(finish({ cleanup: ["*.la"] }, files, ["/include"]).paths).toEqual(["files/lib/x.so", "metadata"]);
  });

  test("renames kinds of files and their icons, and sets the licence", () => {
    const { paths, text } = finish(
      { "rename-mime-file": "old.xml", "rename-mime-icons": ["kind"], "appdata-license": "GPL-3.0+ & more" },
      {
        "share/mime/packages/old.xml":
          "<mime-info><mime-type><icon name='kind'/><generic-icon name=\"other\"/></mime-type></mime-info>",
        "share/icons/hicolor/48x48/mimetypes/kind.png": "p",
        "share/metainfo/org.example.App.metainfo.xml": "<component><project_license>None</project_license></component>",
      },
    );
    expect(text("files/share/mime/packages/org.example.App.xml")).toBe(
      "<mime-info><mime-type><icon name='org.example.App.kind'/><generic-icon name=\"other\"/></mime-type></mime-info>",
    );
    expect(paths).toContain("export/share/icons/hicolor/48x48/mimetypes/org.example.App.kind.png");
    expect(text("export/share/metainfo/org.example.App.metainfo.xml")).toBe(
      "<component><project_license>GPL-3.0+ &amp; more</project_license></component>",
    );
  });

  test("writes extra data as Flatpak numbers it, from sources and options", () => {
    const sha = "0123456789abcdef".repeat(4);
    const source = (name: string) => ({
      ...{ type: "extra-data", filename: name, url: `https://e.org/${name}`, sha256: sha, size: 7 },
    });
    const modules = [
      { name: "m", buildsystem: "simple", "build-commands": [], sources: [source("a"), source("b.deb")] },
    ];
    const disabled = { name: "n", disabled: true, sources: [source("c")] };
    const nested = { name: "o", modules: [{ ...disabled, disabled: false }] };
    const text = metadata({
      modules: [{ ...modules[0], "build-commands": ["true"] }, disabled, nested],
      "finish-args": [`--extra-data=d:${sha}:1:2:https://e.org/d?a:b`],
    });
    expect(text).toContain(
      `[Extra Data]\nname=a\nuri=https://e.org/a\nchecksum=${sha}\nsize=7\nname1=b.deb\nuri1=https://e.org/b.deb\nchecksum1=${sha}\nsize1=7\n` +
        `name2=c\nuri2=https://e.org/c\nchecksum2=${sha}\nsize2=7\nname3=d\nuri3=https://e.org/d?a:b\nchecksum3=${sha}\nsize3=1\ninstalled-size3=2\n`,
    );
  });

  test("keeps files whole that have names in two images", () => {
    const { images } = finish({}, {});
    expect(images).toHaveLength(1);
    const tree = treeOf({ "share/locale/de/a": "text" });
    tree.set("share/locale/de/b", { kind: "hardlink", to: "share/locale/de/a" });
    tree.set("other", { kind: "hardlink", to: "share/locale/de/a" });
    const input = manifest({});
    const [main, locale] = finishImages({
      manifest: input,
      ref: { kind: "app", id: "org.example.App", arch: "x86_64", branch: "stable" },
      runtime: refs.runtime,
      metadata: makeMetadata({ manifest: input, ...refs }),
      files: tree,
      changes: [],
      report: () => undefined,
    });
    const bytes = (image: Tree | undefined, path: string) => {
      const file = image === undefined ? undefined : fileAt(image, path);
      return file === undefined ? undefined : Buffer.from(readContent(file.content)).toString();
    };
    expect(bytes(main?.tree, "files/other")).toBe("text");
    expect(bytes(locale?.tree, "files/de/share/de/b")).toBe("text");
    expect(locale?.tree.get("files/de/share/de/b")?.kind).toBe("hardlink");
    expect(main?.tree.get("files/share/locale/de")).toEqual({
      kind: "symlink",
      target: "../../share/runtime/locale/de/share/de",
    });
  });

  test.each([
    [{ "rename-mime-file": "gone.xml" }, "share/mime/packages/gone.xml: no such file to rename"],
    [{ "rename-mime-icons": ["gone"] }, "rename-mime-icons: no icon named gone in share/icons"],
    [{ "appdata-license": "MIT" }, "appdata-license: no metainfo file of org.example.App"],
    [{ "rename-desktop-file": "gone.desktop" }, "share/applications/gone.desktop: no such file to rename"],
    [{ "rename-icon": "gone" }, "rename-icon: no icon named gone in share/icons"],
    [{ command: "gone" }, "command: no program named gone in /app/bin"],
  ])("says what %p needs", (more, message) => {
    const error = errorOf(() => finish(more, { "bin/run": "" }));
    expect([error.code, error.message]).toEqual(["BUILD_FAILED", message]);
  });
});
