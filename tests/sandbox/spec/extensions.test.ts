// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { parseMetadata } from "../../../src/metadata/metadata.ts";
import type { Ref } from "../../../src/metadata/ref.ts";
import {
  describeExtensions,
  type ExtensionImage,
  type ExtensionMount,
  type InstalledExtensions,
  resolveExtensions,
} from "../../../src/sandbox/spec/extensions.ts";
import {
  binds,
  exampleRuntime,
  FakeHost,
  type FakeNode,
  fileText,
  folder,
  infoText,
  specifyExample,
  targets,
} from "./fake-host.ts";

const owner: Ref = { kind: "app", id: "org.example.App", arch: "x86_64", branch: "stable" };
const runtime: Ref = { kind: "runtime", id: "org.example.Platform", arch: "x86_64", branch: "1" };

/** Extensions given as `ID//BRANCH` or `ID//BRANCH=PRIORITY`. */
function installedAs(...names: readonly string[]): InstalledExtensions {
  const images = names.map((name): ExtensionImage => {
    const [, id = "", branch = "", priority = "0"] = /^(.+)\/\/([^=]+)(?:=(.+))?$/.exec(name) ?? [];
    const ref: Ref = { kind: "runtime", id, arch: "x86_64", branch };
    const commit = Buffer.from(id).toString("hex").padEnd(64, "0").slice(0, 64);
    return { ref, commit, files: `/images/${id}/${branch}/usr`, priority: Number(priority) };
  });
  return {
    find: (ref) => images.find((image) => image.ref.id === ref.id && image.ref.branch === ref.branch),
    findAll: (prefix, _arch, branch) =>
      images.filter((image) => image.ref.id.startsWith(prefix) && image.ref.branch === branch),
  };
}

function resolve(
  points: string,
  installed: InstalledExtensions,
  { of = owner, host = new FakeHost({}) }: { of?: Ref; host?: FakeHost } = {},
): readonly ExtensionMount[] {
  const group = of.kind === "app" ? "Application" : "Runtime";
  const metadata = parseMetadata(`[${group}]\nname=${of.id}\nruntime=org.example.Platform/x86_64/1\n${points}`);
  return resolveExtensions(metadata.extensions, of, installed, host);
}

function short(mounts: readonly ExtensionMount[]): string[] {
  return mounts.map(({ image, target }) => `${image.ref.id}//${image.ref.branch} ${target}`);
}

const plugin = "[Extension org.example.App.Plugin]\ndirectory=lib/plugins\n";

describe("resolveExtensions()", () => {
  test("resolveExtensions() takes the branch of the app where the point names none", () => {
    const installed = installedAs("org.example.App.Plugin//stable", "org.example.App.Plugin//1");
    expect(short(resolve(plugin, installed))).toEqual(["org.example.App.Plugin//stable /app/lib/plugins"]);
  });

  test("resolveExtensions() takes version, and every one of versions that is there", () => {
    const installed = installedAs("org.example.App.Plugin//1", "org.example.App.Plugin//3");
    expect(short(resolve(`${plugin}version=1\n`, installed))).toEqual(["org.example.App.Plugin//1 /app/lib/plugins"]);
    expect(short(resolve(`${plugin}version=9\nversions=1;2;3\n`, installed))).toEqual([
      "org.example.App.Plugin//1 /app/lib/plugins",
      "org.example.App.Plugin//3 /app/lib/plugins",
    ]);
  });

  test("resolveExtensions() takes what is below the name for subdirectories, with their suffix, by priority", () => {
    const point = `${plugin}subdirectories=true\nsubdirectory-suffix=share/x\n`;
    const installed = installedAs(
      "org.example.App.Plugin.a//stable",
      "org.example.App.Plugin.b//stable=5",
      "org.example.App.Plugin.c//other",
    );
    expect(short(resolve(point, installed))).toEqual([
      "org.example.App.Plugin.b//stable /app/lib/plugins/b/share/x",
      "org.example.App.Plugin.a//stable /app/lib/plugins/a/share/x",
    ]);
    expect(resolve(plugin, installed)).toEqual([]);
  });

  test("resolveExtensions() takes the whole extension before those below its name", () => {
    const installed = installedAs("org.example.App.Plugin//stable", "org.example.App.Plugin.a//stable");
    expect(short(resolve(`${plugin}subdirectories=true\n`, installed))).toEqual([
      "org.example.App.Plugin//stable /app/lib/plugins",
    ]);
  });

  test("resolveExtensions() keeps points of one name apart by their tags", () => {
    const tagged = ["one", "two"].map((tag) => `[Extension org.example.App.Plugin@${tag}]\ndirectory=${tag}\n`);
    expect(short(resolve(tagged.join(""), installedAs("org.example.App.Plugin//stable")))).toEqual([
      "org.example.App.Plugin//stable /app/one",
      "org.example.App.Plugin//stable /app/two",
    ]);
  });

  const gl = "[Extension org.example.Platform.GL]\ndirectory=lib/GL\nsubdirectories=true\nenable-if=active-gl-driver\n";
  const drivers = ["default", "host", "nvidia-550-54", "mesa-git"].map((name) => `org.example.Platform.GL.${name}//1`);
  const nvidia = { "/sys/module/nvidia/version": "550.54\n" };
  test.each<[Record<string, FakeNode>, Record<string, string>, string[]]>([
    [{}, {}, ["default", "host"]],
    [nvidia, {}, ["default", "host", "nvidia-550-54"]],
    [nvidia, { FLATPAK_GL_DRIVERS: "mesa-git" }, ["mesa-git"]],
    [{ "/sys/module/nvidia/version": "../x\n" }, {}, ["default", "host"]],
  ])("resolveExtensions() on %j with %j takes the drivers %j", (nodes, variables, expected) => {
    const found = resolve(gl, installedAs(...drivers), { of: runtime, host: new FakeHost(nodes, variables) });
    expect(found.map(({ target }) => target)).toEqual(expected.map((name) => `/usr/lib/GL/${name}`));
  });

  const machine = {
    "/sys/module/i915": folder,
    "/sys/module/snd_hda": folder,
    "/home/ann/.config/gtk-3.0/settings.ini": "[Settings]\ngtk-theme-name = Plugin\n",
  };
  test.each<[string, boolean]>([
    ["have-intel-gpu", true],
    ["have-kernel-module-snd-hda", true],
    ["have-kernel-module-nouveau", false],
    ["have-kernel-module-../../etc", false],
    ["on-xdg-desktop-gnome", true],
    ["on-xdg-desktop-kde", false],
    ["active-gtk-theme", true],
    ["active-gl-driver", false],
    ["have-everything", false],
    ["have-everything;on-xdg-desktop-GNOME", true],
    ["", true],
  ])("resolveExtensions() with enable-if=%s answers %p", (condition, expected) => {
    const host = new FakeHost(machine, { XDG_CURRENT_DESKTOP: "ubuntu:GNOME", HOME: "/home/ann" });
    const found = resolve(`${plugin}enable-if=${condition}\n`, installedAs("org.example.App.Plugin//stable"), { host });
    expect(found.length > 0).toBe(expected);
  });

  test("describeExtensions() lists them in the order of their priority", () => {
    const point = `${plugin}subdirectories=true\n`;
    const mounts = resolve(
      point,
      installedAs("org.example.App.Plugin.a//stable", "org.example.App.Plugin.b//stable=5"),
    );
    expect(describeExtensions(mounts)).toMatch(
      /^org\.example\.App\.Plugin\.b=[0-9a-f]{64};org\.example\.App\.Plugin\.a=/,
    );
    const [first] = mounts;
    const unmaintained = first === undefined ? [] : [{ ...first, image: { ...first.image, commit: undefined } }];
    expect(describeExtensions(unmaintained)).toBe("org.example.App.Plugin.b=local");
  });
});

const glPoint =
  "[Extension org.example.Platform.GL]\ndirectory=lib/GL\nsubdirectories=true\nadd-ld-path=lib\nmerge-dirs=vulkan/icd.d\n";

describe("specify() with extensions", () => {
  const glImages = installedAs("org.example.Platform.GL.a//1", "org.example.Platform.GL.b//1=9");
  const nodes: Record<string, FakeNode> = {
    "/images/runtime/usr/lib/GL": folder,
    "/images/org.example.Platform.GL.a/1/usr/vulkan/icd.d/shared.json": "a",
    "/images/org.example.Platform.GL.a/1/usr/vulkan/icd.d/a.json": "a",
    "/images/org.example.Platform.GL.b/1/usr/vulkan/icd.d/shared.json": "b",
  };
  const extensions = { app: [], runtime: resolve(glPoint, glImages, { of: runtime }) };

  test("specify() mounts them, links what they merge, and tells the linker, all without a mount more", () => {
    const specification = specifyExample({ nodes, input: { extensions, linkerCache: "/cache" } });
    expect(binds(specification).filter((line) => line.includes("/GL"))).toEqual([
      "/images/org.example.Platform.GL.a/1/usr /usr/lib/GL/a ro",
      "/images/org.example.Platform.GL.b/1/usr /usr/lib/GL/b ro",
    ]);
    expect(targets(specification, "tmpfs").filter((path) => path.startsWith("/usr"))).toEqual([]);
    expect(specification.layer.filter(({ path }) => path.startsWith("/usr/lib/"))).toEqual([
      { kind: "directory", path: "/usr/lib/GL" },
      { kind: "directory", path: "/usr/lib/GL/a" },
      { kind: "directory", path: "/usr/lib/GL/b" },
      { kind: "directory", path: "/usr/lib/GL/vulkan" },
      { kind: "directory", path: "/usr/lib/GL/vulkan/icd.d" },
      { kind: "symlink", path: "/usr/lib/GL/vulkan/icd.d/a.json", to: "/usr/lib/GL/a/vulkan/icd.d/a.json" },
      { kind: "symlink", path: "/usr/lib/GL/vulkan/icd.d/shared.json", to: "/usr/lib/GL/b/vulkan/icd.d/shared.json" },
    ]);
    const configuration = "/run/flatpak/ld.so.conf.d/runtime";
    expect(fileText(specification, `${configuration}-001-org.example.Platform.GL.b.conf`)).toBe("/usr/lib/GL/b/lib\n");
    expect(fileText(specification, `${configuration}-002-org.example.Platform.GL.a.conf`)).toBe("/usr/lib/GL/a/lib\n");
    expect(specification.environment.unset).toContain("LD_LIBRARY_PATH");
    expect(infoText(specification)).toMatch(
      /\nruntime-extensions=org\.example\.Platform\.GL\.b=[0-9a-f]{64};org\.example\.Platform\.GL\.a=[0-9a-f]{64}\n/,
    );
  });

  test("specify() hides what the runtime has in a folder that subdirectories share", () => {
    const full = { ...nodes, "/images/runtime/usr/lib/GL/own.txt": "text" };
    const specification = specifyExample({ nodes: full, input: { extensions } });
    expect(targets(specification, "tmpfs")).toContain("/usr/lib/GL");
    const links = specification.mounts.filter((mount) => mount.kind === "symlink" && mount.target.includes("/GL/"));
    expect(links).toHaveLength(2);
  });

  test("specify() leads to libraries by a variable where the linker has no cache", () => {
    const app = resolve(`${plugin}add-ld-path=lib\n`, installedAs("org.example.App.Plugin//stable"));
    const specification = specifyExample({ nodes, input: { extensions: { ...extensions, app } } });
    expect(specification.environment.set["LD_LIBRARY_PATH"]).toBe(
      "/app/lib/plugins/lib:/app/lib:/usr/lib/GL/b/lib:/usr/lib/GL/a/lib",
    );
    const alone = specifyExample({ nodes, input: { app: undefined, extensions } });
    expect(alone.environment.set["LD_LIBRARY_PATH"]).toBe("/usr/lib/GL/b/lib:/usr/lib/GL/a/lib");
  });

  test("specify() follows the links of an image inside it, and never to the host", () => {
    const app = resolve(plugin, installedAs("org.example.App.Plugin//stable"));
    const place = (link: string) => {
      const specification = specifyExample({
        nodes: { "/images/app/app/lib": { link }, "/images/app/app/lib64": folder, "/etc/secret": "text" },
        input: { extensions: { app, runtime: [] } },
      });
      const line = binds(specification).find((text) => text.startsWith("/images/org.example.App.Plugin"));
      const named = infoText(specification).includes("app-extensions");
      return [line?.split(" ")[1], named];
    };
    expect(place("lib64")).toEqual(["/app/lib64/plugins", true]);
    expect(place("/app/lib64")).toEqual(["/app/lib64/plugins", true]);
    for (const link of ["/etc", "../../../../etc", "..", "lib", "/usr/lib", "/run"]) {
      expect([link, ...place(link)]).toEqual([link, undefined, false]);
    }
  });

  test("specify() mounts an extension inside another only at a folder that it has", () => {
    const points = "[Extension org.example.A]\ndirectory=a\n[Extension org.example.B]\ndirectory=a/b/c\n";
    const app = resolve(points, installedAs("org.example.A//stable", "org.example.B//stable"));
    const inside = "/images/org.example.A/stable/usr";
    const place = (nodes: Record<string, FakeNode>) => {
      const specification = specifyExample({ nodes, input: { extensions: { app, runtime: [] } } });
      return binds(specification).some((line) => line.startsWith("/images/org.example.B/stable/usr /app/a/b/c "));
    };
    expect(place({ [`${inside}/b/c`]: folder })).toBe(true);
    expect(place({ [inside]: folder })).toBe(false);
    expect(place({ [`${inside}/b`]: { link: "/etc" }, "/etc/c": folder })).toBe(false);
    expect(exampleRuntime.lower).toBe("/images/runtime");
  });
});
