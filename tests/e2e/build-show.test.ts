// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { Sandpit } from "./support.ts";

const manifest = `id: org.example.App
runtime: org.example.Platform
sdk: org.example.Sdk
modules:
  - {name: one, buildsystem: simple, build-commands: ["true"], sources: [{type: file, path: local.txt}]}
`;

test("build --show-manifest and --show-deps print what a manifest says, and build nothing", () => {
  using pit = new Sandpit();
  writeFileSync(pit.path("work/m.yml"), manifest);
  expect(JSON.parse(pit.succeed(["build", "--show-manifest", "m.yml"]))).toMatchObject({
    id: "org.example.App",
    modules: [{ name: "one", "build-commands": ["true"] }],
  });
  expect(pit.succeed(["build", "--show-deps", "m.yml"])).toBe("local.txt\n");
  expect(pit.succeed(["build", "--show-deps", "--json", "m.yml"])).toContain('"local.txt"');
  const { status, stderr } = pit.dowel(["build", "--show-manifest", "none.yml"]);
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("none.yml") });
});
