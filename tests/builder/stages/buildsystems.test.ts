// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { loadManifest } from "../../../src/builder/manifest/manifest.ts";
import { moduleSteps } from "../../../src/builder/stages/buildsystems.ts";
import { mergeOptions } from "../../../src/builder/stages/options.ts";
import { errorOf, TestFolder } from "../support.ts";

/** The commands of a module whose sources are the given files; `after` puts files there when configuring is over. */
function commands(module: object, files: readonly string[], after: readonly string[] = [], options = {}): string[] {
  using folder = new TestFolder();
  const names = { id: "org.example.App", runtime: "a.b.C", sdk: "a.b.S" };
  const source = { type: "shell", commands: ["true"] };
  const manifest = { ...names, modules: [{ name: "m", sources: [source], ...module }], "build-options": options };
  const loaded = loadManifest(folder.write("m.json", JSON.stringify(manifest)));
  const [only] = loaded.modules;
  if (only === undefined) throw new Error("no module");
  for (const file of files) folder.write(`src/${file}`, "x");
  const merged = mergeOptions([loaded.buildOptions, only.buildOptions], "x86_64", "/app");
  const result: string[] = [];
  for (const step of moduleSteps({ module: only, options: merged, jobs: 3, folder: folder.join("src") })) {
    result.push(`${step.inBuildFolder ? "" : "source: "}${step.words.join(" ")}`);
    for (const file of after) folder.write(`src/${file}`, "x");
  }
  return result;
}

describe("moduleSteps()", () => {
  test("autotools: configure, make, make install", () => {
    const module = { "config-opts": ["--with-x"], "make-args": ["V=1"], "make-install-args": ["DESTDIR="] };
    expect(commands(module, ["configure"], ["Makefile"])).toEqual([
      "./configure --prefix=/app --with-x",
      "make -j3 -l6 V=1",
      "make install DESTDIR=",
    ]);
  });

  test("autotools: runs autogen.sh where there is no configure, and builds in a folder of its own", () => {
    expect(commands({ builddir: true }, ["autogen.sh"], ["configure", "_flatpak_build/Makefile"])).toEqual([
      "source: ./autogen.sh",
      "../configure --prefix=/app",
      "make -j3 -l6",
      "make install",
    ]);
  });

  test("autotools: takes a plain Makefile", () => {
    expect(commands({ "no-autogen": true, "no-parallel-make": true }, ["Makefile"])).toEqual(["make", "make install"]);
  });

  test("cmake and cmake-ninja", () => {
    expect(commands({ buildsystem: "cmake" }, ["CMakeLists.txt"], ["_flatpak_build/Makefile"])).toEqual([
      "cmake -DCMAKE_INSTALL_PREFIX:PATH=/app -DCMAKE_INSTALL_LIBDIR:PATH=lib -G Unix Makefiles ..",
      "make -j3 -l6",
      "make install",
    ]);
    expect(commands({ buildsystem: "cmake-ninja" }, ["CMakeLists.txt"], ["_flatpak_build/build.ninja"])[1]).toBe(
      "ninja -j3 -l6",
    );
  });

  test("meson does not download unless the network is shared", () => {
    const built = ["_flatpak_build/build.ninja"];
    expect(commands({ buildsystem: "meson" }, ["meson.build"], built)).toEqual([
      "meson setup --wrap-mode=nodownload --prefix=/app --libdir=/app/lib ..",
      "ninja -j3 -l6",
      "ninja install",
    ]);
    const network = { "build-args": ["--share=network"] };
    expect(commands({ buildsystem: "meson" }, ["meson.build"], built, network)[0]).toBe(
      "meson setup --prefix=/app --libdir=/app/lib ..",
    );
  });

  test("simple: only the commands; post-install and tests come last", () => {
    const module = {
      buildsystem: "simple",
      "build-commands": ["a", "b"],
      "post-install": ["c"],
      "run-tests": true,
      "test-commands": ["d"],
    };
    expect(commands(module, [])).toEqual(["a", "b", "c", "d"].map((command) => `/bin/sh -c ${command}`));
  });

  test.each([
    ["autotools", "Module m (autotools): there is no configure and none of autogen"],
    ["cmake", "Module m (cmake): there is no CMakeLists.txt"],
    ["meson", "Module m (meson): there is no meson.build"],
    ["qmake", "Module m (qmake): there is no *.pro"],
  ])("%s says what is missing", (buildsystem, message) => {
    expect(errorOf(() => commands({ buildsystem }, ["readme"])).message).toStartWith(message);
  });
});
