// SPDX-License-Identifier: Apache-2.0
// Builds of apps with extensions, from a base, and of extensions, with the Sdk of examples/debian-12.yml.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { silent } from "../../src/base/events.ts";
import { buildManifest } from "../../src/builder/build.ts";
import type { BuiltImage } from "../../src/builder/request.ts";
import { execute } from "../../src/engine/execute.ts";
import { prepareInstall } from "../../src/engine/prepareinstall.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { createInstallation } from "../../src/store/installation.ts";
import type { InstallationPlace } from "../../src/store/places.ts";
import { type TestSdk, testSdk } from "../builder/sdk.ts";
import { rejectionOf, TestFolder } from "../builder/support.ts";
import { baseRef, makeBase } from "../interop/programs.ts";
import { addImage } from "../support/layout.ts";

setDefaultTimeout(600_000);

const folder = new TestFolder();
const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
const place: InstallationPlace = { name: "test", kind: "system", path: folder.join("installation"), priority: 0 };
let sdk: TestSdk;

beforeAll(async () => {
  sdk = await testSdk();
});
afterAll(() => folder[Symbol.dispose]());

const names = { runtime: "org.debian.Platform", "runtime-version": "12", sdk: "org.debian.Sdk", branch: "test" };

async function build(manifest: object, state = "state"): Promise<readonly BuiltImage[]> {
  const manifestPath = folder.write("m.json", JSON.stringify({ ...names, ...manifest }));
  const places = [place, sdk.place];
  return await buildManifest({ manifestPath, stateDir: folder.join(state), places, report: silent });
}

/** Unpacks an image's layer and gives the folder. */
function unpack({ ref, digest, layoutDir }: BuiltImage): string {
  const blob = (name: string): string => `${layoutDir}/blobs/${name.replace(":", "/")}`;
  const manifest = JSON.parse(readFileSync(blob(digest), "utf8")) as { layers: { digest: string }[] };
  const target = folder.join("unpacked", digest.slice(-8), ref.id);
  mkdirSync(target, { recursive: true });
  execFileSync("tar", ["-C", target, "--zstd", "-xf", blob(manifest.layers[0]?.digest ?? "")]);
  return target;
}

async function install(layoutDir: string, tag: string): Promise<void> {
  const installation = createInstallation(place);
  const shared = { report: silent, signal: undefined };
  const options = { installations: [installation], noDeps: true, reinstall: true, ...shared };
  await execute(await prepareInstall(installation, [`oci:${layoutDir}:${tag}`], options), installation, shared);
}

/** Installs an extension of one file, made without the builder. */
async function installHandMade(id: string, branch: string, file: string): Promise<void> {
  const tree = folder.join("hand-made", id);
  folder.write(`hand-made/${id}/files/${file}`, `${id}\n`);
  const metadata = `[Runtime]\nname=${id}\n`;
  folder.write(`hand-made/${id}/metadata`, metadata);
  const layout = folder.join("hand-made-layout");
  const ref = `runtime/${id}/${arch}/${branch}`;
  addImage(layout, { ref, metadata, tree });
  await install(layout, ref);
}

function simple(name: string, commands: readonly string[], more: object = {}): object {
  return { name, buildsystem: "simple", "build-commands": commands, ...more };
}

const text = (root: string, path: string): string => readFileSync(join(root, path), "utf8");

describe("buildManifest() with extensions", () => {
  const program = '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n';

  test("splits translations, debugging data and bundled extensions into images of their own", async () => {
    const images = await build({
      id: "org.example.My-App",
      command: "hello",
      "add-extensions": {
        "org.example.Bundled": { directory: "lib/bundled", bundle: true, version: "2", "no-autodownload": true },
      },
      modules: [
        simple(
          "m",
          [
            "gcc -g -o hello src/hello.c && install -D hello $FLATPAK_DEST/bin/hello",
            "for l in de de_AT@euro en_GB C fr; do mkdir -p /app/share/locale/$l; echo $l > /app/share/locale/$l/text; done",
            "mkdir -p /app/lib/bundled /app/lib/locale/sr && echo b > /app/lib/bundled/b && echo s > /app/lib/locale/sr/text",
          ],
          { sources: [{ type: "inline", "dest-filename": "hello.c", dest: "src", contents: program }] },
        ),
      ],
    });
    expect(images.map(({ ref, comesAlong }) => `${formatRef(ref)} ${comesAlong}`)).toEqual([
      `app/org.example.My-App/${arch}/test true`,
      `runtime/org.example.Bundled/${arch}/2 false`,
      `runtime/org.example.My_App.Locale/${arch}/test true`,
      `runtime/org.example.My_App.Debug/${arch}/test false`,
    ]);
    const [app = "", bundled = "", locale = "", debug = ""] = images.map(unpack);
    expect(readdirSync(join(app, "files/share/locale")).sort()).toEqual(["C", "de", "de_AT@euro", "en_GB", "fr"]);
    expect(text(app, "files/share/locale/en_GB/text")).toBe("en_GB\n");
    expect(existsSync(join(app, "files/share/locale/de/text"))).toBe(false);
    expect(text(locale, "files/de/share/de_AT@euro/text")).toBe("de_AT@euro\n");
    expect(text(locale, "files/sr/lib/sr/text")).toBe("s\n");
    expect(readdirSync(join(app, "files/share/runtime/locale"))).toEqual([]);
    expect(readdirSync(join(app, "files/lib/bundled"))).toEqual([]);
    expect(text(bundled, "files/b")).toBe("b\n");
    const metadata = text(app, "metadata");
    expect(metadata).toContain(
      "[Extension org.example.My_App.Locale]\ndirectory=share/runtime/locale\nautodelete=true\nlocale-subset=true\n",
    );
    expect(metadata).toContain(
      "built-extensions=org.example.Bundled;org.example.My_App.Locale;org.example.My_App.Debug;\n",
    );
    expect(text(locale, "metadata")).toBe(
      `[Runtime]\nname=org.example.My_App.Locale\n\n[ExtensionOf]\nref=app/org.example.My-App/${arch}/test\nruntime=org.debian.Platform/${arch}/12\n`,
    );
    const sections = (path: string) => spawnSync("readelf", ["-WS", path], { encoding: "utf8" }).stdout;
    expect(sections(join(app, "files/bin/hello"))).not.toContain(".debug_info");
    expect(sections(join(app, "files/bin/hello"))).toContain(".gnu_debuglink");
    expect(sections(join(debug, "files/bin/hello.debug"))).toContain(".debug_info");
    // What was split goes by its inputs too.
    expect(await build(JSON.parse(text(folder.path, "m.json")))).toEqual(images);
  });

  test("leaves everything in one image where the manifest says so", async () => {
    const images = await build({
      id: "org.example.Whole",
      "separate-locales": false,
      "build-options": { "no-debuginfo": true },
      modules: [
        simple("m", [
          "mkdir -p /app/share/locale/de /app/bin && echo de > /app/share/locale/de/text",
          "echo 'int main(void) { return 0; }' > x.c && gcc -g -o /app/bin/x x.c",
        ]),
      ],
    });
    expect(images).toHaveLength(1);
  });

  test("shows the extensions of the Sdk that the manifest names, and no others", async () => {
    await installHandMade("org.freedesktop.Platform.GL.one", "1.4", "lib/one");
    await installHandMade("org.freedesktop.Platform.GL.two", "1.4", "lib/two");
    const commands = ["test -f /usr/lib/GL/one/lib/one", "test ! -e /usr/lib/GL/two", "touch /app/done"];
    const named = { "sdk-extensions": ["org.freedesktop.Platform.GL.one"] };
    const [image] = await build({ id: "org.example.Sdkish", ...named, modules: [simple("m", commands)] });
    expect(image).toBeDefined();
    for (const [name, code, message] of [
      ["org.example.Sdk.Extension", "MANIFEST_INVALID", "m.json:1:"],
      ["org.freedesktop.Platform.GL.none", "RUNTIME_NOT_FOUND", "is not installed"],
    ]) {
      const error = await rejectionOf(build({ id: "org.example.Sdkish", "sdk-extensions": [name], modules: [] }));
      expect([error.code, error.message]).toEqual([code, expect.stringContaining(message ?? "")]);
      expect(error.message).toContain("sdk-extensions[0]: ");
    }
  });

  test("starts from a base app and its extensions, and takes over their extension points", async () => {
    const point = { directory: "lib/plugins", subdirectories: true, version: "test", "merge-dirs": "share" };
    const [base] = await build({
      id: "org.example.Base",
      "add-extensions": { "org.example.Base.Plugin": point, "org.example.Base.Other": { directory: "lib/other" } },
      modules: [
        simple("m", ["mkdir -p /app/bin /app/lib", "echo base > /app/lib/base; cp /app/lib/base /app/lib/second"]),
      ],
    });
    await install(base?.layoutDir ?? "", base?.tag ?? "");
    await installHandMade("org.example.Base.Plugin.x", "test", "share/x");
    const [image] = await build({
      id: "org.example.Derived",
      base: "org.example.Base",
      "base-extensions": ["org.example.Base.Plugin.x"],
      "inherit-extensions": ["org.example.Base.Plugin", "org.example.Base.Other"],
      cleanup: ["*.la"],
      modules: [simple("m", ["test -f /app/lib/base", "echo more >> /app/lib/base", "touch /app/lib/x.la"])],
    });
    const files = image === undefined ? "" : unpack(image);
    expect(text(files, "files/lib/base")).toBe("base\nmore\n");
    expect(text(files, "files/lib/second")).toBe("base\n");
    expect(text(files, "files/lib/plugins/x/share/x")).toBe("org.example.Base.Plugin.x\n");
    expect(existsSync(join(files, "files/lib/x.la"))).toBe(false);
    const metadata = text(files, "metadata");
    expect(metadata).toContain(`base=app/org.example.Base/${arch}/test\n`);
    expect(metadata).toContain("[Extension org.example.Base.Plugin]\ndirectory=lib/plugins\nsubdirectories=true\n");
    expect(metadata).toContain("[Extension org.example.Base.Other]\ndirectory=lib/other\nversion=test\n");
    const commit = base?.digest.slice("sha256:".length) ?? "";
    const pinned = { id: "org.example.Pinned", base: "org.example.Base", modules: [] };
    expect(await build({ ...pinned, "base-commit": commit })).toHaveLength(1);
    for (const key of ["base-commit", "sdk-commit"]) {
      const gone = await rejectionOf(build({ ...pinned, [key]: "0".repeat(64) }));
      expect([key, gone.code]).toEqual([key, "RUNTIME_NOT_FOUND"]);
      const wrong = await rejectionOf(build({ ...pinned, [key]: "0" }));
      expect([key, wrong.code, wrong.message]).toEqual([
        key,
        "MANIFEST_INVALID",
        expect.stringContaining(`${key}: expected`),
      ]);
    }
    const error = await rejectionOf(build({ id: "org.example.Derived", base: "org.example.None", modules: [] }));
    expect([error.code, error.message]).toEqual([
      "RUNTIME_NOT_FOUND",
      expect.stringMatching(/m\.json:1:\d+: base: app\/org\.example\.None\/.*\/test is not installed/),
    ]);
  });

  test("builds an extension of an app, of which it sees all", async () => {
    const [base] = await build({
      id: "org.example.Host",
      "add-extensions": { "org.example.Host.Plugin": { directory: "lib/plugins", subdirectories: true } },
      modules: [simple("m", ["mkdir -p /app/include && echo host > /app/include/host.h"])],
    });
    await install(base?.layoutDir ?? "", base?.tag ?? "");
    const [image] = await build({
      id: "org.example.Host.Plugin.mine",
      "build-extension": true,
      runtime: "org.example.Host",
      "runtime-version": "test",
      sdk: "org.debian.Sdk//12",
      "finish-args": ["--extension-priority=7"],
      modules: [
        simple("m", [
          "test $FLATPAK_DEST = /app/lib/plugins/mine",
          "test $(cat /app/include/host.h) = host",
          "mkdir -p $FLATPAK_DEST/share && echo plugin > $FLATPAK_DEST/share/plugin",
          "! touch /app/elsewhere 2>/dev/null",
        ]),
      ],
    });
    expect(image?.tag).toBe(`runtime/org.example.Host.Plugin.mine/${arch}/test`);
    const files = image === undefined ? "" : unpack(image);
    expect(text(files, "files/share/plugin")).toBe("plugin\n");
    expect(text(files, "metadata")).toBe(
      `[Runtime]\nname=org.example.Host.Plugin.mine\nruntime=org.debian.Platform/${arch}/12\nsdk=org.debian.Sdk/${arch}/12\n\n` +
        `[ExtensionOf]\nref=app/org.example.Host/${arch}/test\nruntime=org.debian.Platform/${arch}/12\npriority=7\n`,
    );
    const other = { "build-extension": true, runtime: "org.example.Host", "runtime-version": "test", modules: [] };
    const error = await rejectionOf(build({ ...other, id: "org.example.Elsewhere", sdk: "org.debian.Sdk//12" }));
    expect([error.code, error.message]).toEqual([
      "MANIFEST_INVALID",
      expect.stringContaining("takes no extension named"),
    ]);
  });

  test("keeps secrets out of messages, logs and keys, and copies licences", async () => {
    process.env["DOWEL_TEST_SECRET"] = "s3cr3t";
    const licenses = [{ type: "inline", "dest-filename": "LICENSE.txt", contents: "free" }];
    const module = simple("m", ["test $DOWEL_TEST_SECRET = s3cr3t", "touch /app/x"], {
      "secret-env": ["DOWEL_TEST_SECRET"],
      sources: licenses,
    });
    const configure = {
      name: "n",
      "secret-opts": ["--key=$DOWEL_TEST_SECRET"],
      sources: [
        {
          type: "script",
          "dest-filename": "configure",
          commands: ['case "$2" in --key=s3cr3t) ;; *) exit 3;; esac', "printf 'all:\\ninstall:\\n' > Makefile"],
        },
      ],
    };
    const [image] = await build({ id: "org.example.Secret", modules: [module, configure] }, "secret");
    const files = image === undefined ? "" : unpack(image);
    expect(text(files, "files/share/licenses/org.example.Secret/m/LICENSE.txt")).toBe("free");
    const places = [folder.join("secret/logs"), folder.join("secret/cache")];
    expect(spawnSync("grep", ["-rl", "s3cr3t", ...places], { encoding: "utf8" }).stdout).toBe("");
    delete process.env["DOWEL_TEST_SECRET"];
    // The value does not count for what is kept.
    expect((await build({ id: "org.example.Secret", modules: [module, configure] }, "secret"))[0]?.digest).toBe(
      image?.digest,
    );
    const error = await rejectionOf(build({ id: "org.example.Secret", modules: [module] }, "other"));
    expect([error.code, error.message]).toEqual(["BUILD_FAILED", expect.stringContaining("DOWEL_TEST_SECRET")]);
  });

  test("takes no licence through a link (CVE-2026-39977)", async () => {
    const tree = folder.join("linked");
    mkdirSync(join(tree, "LICENSES"), { recursive: true });
    writeFileSync(join(tree, "LICENSES/real"), "real");
    symlinkSync("/etc/passwd", join(tree, "COPYING"));
    symlinkSync("/etc", join(tree, "deep"));
    const module = (more: object) =>
      simple("m", ["touch /app/x"], { sources: [{ type: "dir", path: "linked" }], ...more });
    const [image] = await build({ id: "org.example.Linked", modules: [module({})] });
    const files = image === undefined ? "" : unpack(image);
    expect(readdirSync(join(files, "files/share/licenses/org.example.Linked/m"))).toEqual(["LICENSES-real"]);
    for (const path of ["COPYING", "deep/passwd", "missing", "LICENSES"]) {
      const error = await rejectionOf(
        build({ id: "org.example.Linked", modules: [module({ "license-files": [path] })] }),
      );
      expect([path, error.code]).toEqual([path, "SOURCE_INVALID"]);
    }
    for (const path of ["../x", "/etc/passwd", "a/../../x"]) {
      const error = await rejectionOf(
        build({ id: "org.example.Linked", modules: [module({ "license-files": [path] })] }),
      );
      expect([path, error.code]).toEqual([path, "MANIFEST_INVALID"]);
    }
  });

  test("builds a runtime from a copy of the Sdk, and derives its platform", async () => {
    const layout = folder.join("base-layout");
    await makeBase(layout);
    await install(layout, baseRef);
    const images = await build({
      id: "org.example.NewSdk",
      ...{ runtime: "org.example.Base", sdk: "org.example.Base", "runtime-version": "1" },
      "build-runtime": true,
      "id-platform": "org.example.NewPlatform",
      "cleanup-platform": ["/include"],
      modules: [
        simple(
          "m",
          [
            "test $FLATPAK_DEST = /usr && test -x /usr/bin/strip && mkdir -p /usr/include/new /usr/share/new",
            "for f in include/new/new.h share/new/data lib/only-sdk.a; do echo $f > /usr/$f; done",
          ],
          { "cleanup-platform": ["*.a"] },
        ),
      ],
    });
    expect(images.map(({ tag }) => tag)).toEqual([
      `runtime/org.example.NewSdk/${arch}/test`,
      `runtime/org.example.NewPlatform/${arch}/test`,
    ]);
    const [sdkFiles = "", platform = ""] = images.map(unpack);
    const has = (root: string) =>
      ["bin/sh", "share/new/data", "include/new/new.h", "lib/only-sdk.a"].map((path) =>
        existsSync(join(root, "files", path)),
      );
    expect(has(sdkFiles)).toEqual([true, true, true, true]);
    expect(has(platform)).toEqual([true, true, false, false]);
    const pair = `runtime=org.example.NewPlatform/${arch}/test\nsdk=org.example.NewSdk/${arch}/test\n`;
    expect(text(sdkFiles, "metadata")).toBe(`[Runtime]\nname=org.example.NewSdk\n${pair}`);
    expect(text(platform, "metadata")).toBe(`[Runtime]\nname=org.example.NewPlatform\n${pair}`);
  });
});
