// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { decodeBuildOptions } from "../../../src/builder/manifest/options.ts";
import type { BuildOptions } from "../../../src/builder/manifest/types.ts";
import { buildEnvironment } from "../../../src/builder/stages/environment.ts";
import { mergeOptions } from "../../../src/builder/stages/options.ts";
import { parseJson } from "../../../src/formats/document/json.ts";
import { SourceText } from "../../../src/formats/document/node.ts";
import { Value } from "../../../src/formats/document/value.ts";

function options(value: object): BuildOptions {
  const source = new SourceText("test", JSON.stringify(value));
  return decodeBuildOptions(new Value(source, parseJson(source), ""));
}

function environment(...scopes: readonly object[]): ReadonlyMap<string, string> {
  const merged = mergeOptions(scopes.map(options), "x86_64", "/app");
  const rest = {
    id: "org.example.App",
    arch: "x86_64",
    jobs: 2,
    epoch: 7,
    buildFolder: "/run/build/m",
    libraryPaths: [],
  };
  return buildEnvironment({ ...rest, options: merged });
}

describe("mergeOptions()", () => {
  test("joins flags from weak to strong, the arch's own after each scope", () => {
    const merged = mergeOptions(
      [
        options({ cflags: "-O2", arch: { x86_64: { cflags: "-m64" }, arm: { cflags: "-no" } } }),
        options({ cflags: "-g" }),
      ],
      "x86_64",
      "/app",
    );
    expect(merged.flags.get("cflags")).toBe("-O2 -m64 -g");
  });

  test("starts anew where a scope overrides", () => {
    const merged = mergeOptions(
      [options({ ldflags: "-a" }), options({ ldflags: "-b", "ldflags-override": true })],
      "",
      "/app",
    );
    expect(merged.flags.get("ldflags")).toBe("-b");
  });

  test("joins lists and takes the last prefix", () => {
    const merged = mergeOptions(
      [options({ "config-opts": ["a"], prefix: "/x" }), options({ "config-opts": ["b"] })],
      "",
      "/app",
    );
    expect([merged.configOpts, merged.prefix]).toEqual([["a", "b"], "/x"]);
  });
});

describe("buildEnvironment()", () => {
  test("has what flatpak build sets and nothing of the caller's", () => {
    const result = environment();
    expect(result.get("FLATPAK_ID")).toBe("org.example.App");
    expect(result.get("FLATPAK_DEST")).toBe("/app");
    expect(result.get("PATH")).toBe("/app/bin:/usr/bin");
    expect(result.get("SOURCE_DATE_EPOCH")).toBe("7");
    expect(result.get("FLATPAK_BUILDER_N_JOBS")).toBe("2");
    expect(result.has("SSL_CERT_FILE")).toBe(false);
  });

  test("puts flags and variables of the manifest in, and takes out what is null", () => {
    const result = environment({ cflags: "-O1", env: { A: "1", LDFLAGS: null } }, { env: { A: "2" } });
    expect([result.get("CFLAGS"), result.get("A"), result.has("LDFLAGS")]).toEqual(["-O1", "2", false]);
  });

  test("puts paths before and after", () => {
    const result = environment(
      { "prepend-path": "/a", "append-path": "/y" },
      { "prepend-path": "/b", "append-path": "/z" },
    );
    expect(result.get("PATH")).toBe("/b:/a:/app/bin:/usr/bin:/y:/z");
  });
});
