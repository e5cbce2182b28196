// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { prepareRun } from "../../../src/engine/run/prepare.ts";
import type { Specification } from "../../../src/sandbox/spec/types.ts";
import { appId, arch, Machine, request } from "./support.ts";

let machine: Machine;

beforeEach(() => {
  machine = new Machine();
  machine.deployPlatform();
  machine.deployApp();
});
afterEach(() => machine[Symbol.dispose]());

const inPlatform = (path: string) =>
  join(machine.system, `runtime/org.test.Platform/${arch}/1`, "1".repeat(64), "root", path);
const inApp = (path: string) => join(machine.system, `app/${appId}/${arch}/stable`, "1".repeat(64), "root", path);

async function specification(): Promise<Specification> {
  return (await prepareRun(request(), [])).specification;
}

function cacheText({ layer }: Specification): string | undefined {
  const entry = layer.find(({ path }) => path === "/etc/ld.so.cache");
  return entry?.kind === "copy" ? readFileSync(entry.source, "latin1") : undefined;
}

describe("linkerCache()", () => {
  test("linkerCache() lets the runtime's ldconfig find the app's libraries, once", async () => {
    copyFileSync("/sbin/ldconfig", inPlatform("usr/bin/ldconfig"));
    const library = inApp("app/lib/libprobe42.so.1");
    mkdirSync(dirname(library), { recursive: true });
    const source = machine.file("library.c", "int answer(void) { return 42; }\n");
    execFileSync("gcc", ["-shared", "-fPIC", "-Wl,-soname,libprobe42.so.1", "-o", library, source]);
    const first = await specification();
    expect(cacheText(first)).toContain("/app/lib/libprobe42.so.1");
    expect(first.environment.unset).toContain("LD_LIBRARY_PATH");
    expect(await specification()).toEqual(first);
    expect(readdirSync(`${machine.session}/dowel/ld.so`)).toHaveLength(1);
  });

  test.each([
    ["a link to a file of the host", 'symlink("/etc/passwd", "/run/ld.so/cache")'],
    ["a folder", 'mkdir("/run/ld.so/cache", 0755)'],
    ["a pipe", 'mkfifo("/run/ld.so/cache", 0644)'],
    ["too much", 'truncate("/run/ld.so/cache", close(creat("/run/ld.so/cache", 0644)) + (17l << 20))'],
  ])("linkerCache() does not take what an image leaves as %s", async (_what, call) => {
    const includes = ["fcntl.h", "sys/stat.h", "unistd.h"].map((name) => `#include <${name}>\n`).join("");
    const source = machine.file("hostile.c", `${includes}int main(void) { return ${call} != 0; }\n`);
    execFileSync("gcc", ["-static", "-o", inPlatform("usr/bin/ldconfig"), source]);
    const result = await specification();
    expect(cacheText(result)).toBeUndefined();
    expect(readdirSync(`${machine.session}/dowel/ld.so`)).toEqual([]);
  });

  test.each([
    ["has no ldconfig", () => undefined],
    [
      "has one that cannot be executed",
      () => {
        writeFileSync(inPlatform("usr/bin/ldconfig"), "nothing");
        chmodSync(inPlatform("usr/bin/ldconfig"), 0o755);
      },
    ],
    ["has one that fails", () => copyFileSync(inPlatform("usr/bin/probe"), inPlatform("usr/bin/ldconfig"))],
  ])("linkerCache() leaves a variable to lead to the libraries where the runtime %s", async (_what, change) => {
    change();
    const result = await specification();
    expect(cacheText(result)).toBeUndefined();
    expect(result.environment.set["LD_LIBRARY_PATH"]).toBe("/app/lib");
  });
});
