// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { prepareRun } from "../../../src/engine/run/prepare.ts";
import type { Specification } from "../../../src/sandbox/spec/types.ts";
import { launcher } from "../../launcher/support.ts";
import { appId, arch, Machine, request } from "./support.ts";

let machine: Machine;
const words = ["run", appId];
const plugins = `\n[Extension ${appId}.Plugin]\ndirectory=lib/plugins\nversion=1\nsubdirectories=true\nadd-ld-path=lib\n`;

beforeEach(() => {
  machine = new Machine();
  machine.deployPlatform();
  machine.deployApp(plugins);
});
afterEach(() => machine[Symbol.dispose]());

/** Deploys an extension with one file; answers its commit. */
function deployExtension(name: string, options: { commit?: string; installation?: string } = {}): string {
  const { commit = "1", installation = machine.system } = options;
  const ref = `runtime/${name}/${arch}/1`;
  const digest = machine.deploy(ref, `[Runtime]\nname=${name}\n`, options);
  writeFileSync(join(installation, ref, digest, "root/usr/file"), `${name} ${commit}`);
  return digest;
}

async function specification(): Promise<Specification> {
  return (await prepareRun(request(), words)).specification;
}

async function shown(): Promise<string[]> {
  const { mounts } = await specification();
  const binds = mounts.flatMap((mount) => (mount.kind === "bind" ? [mount] : []));
  const inApp = binds.filter(({ target }) => target.startsWith("/app/"));
  return inApp.map(({ source, target }) => `${source.slice(machine.path.length)} ${target}`);
}

/** What the app finds in a file, started by the kept plan alone; undefined where the plan was not taken. */
function readWarm(path: string): string | undefined {
  const alone = join(machine.folder("bin"), "dowel");
  copyFileSync(launcher, alone);
  const { stdout, stderr } = spawnSync(alone, [...words, "files", path], { encoding: "utf8" });
  if (stderr.includes("dowel-program")) return undefined;
  const record = JSON.parse(stdout) as Record<string, unknown>;
  return String(record["content"] ?? record["stat"]);
}

describe("prepareRun() with extensions", () => {
  test("prepareRun() shows the extensions that are installed, the user's before the system's", async () => {
    deployExtension(`${appId}.Plugin.a`);
    deployExtension(`${appId}.Plugin.b`);
    deployExtension(`${appId}.Plugin.b`, { commit: "2", installation: machine.user });
    deployExtension(`${appId}.Pluginx.c`);
    const root = (place: string, name: string, commit: string) =>
      `/${place}/runtime/${appId}.Plugin.${name}/${arch}/1/${commit.repeat(64)}/root/usr /app/lib/plugins/${name}`;
    expect(await shown()).toEqual([root("system", "a", "1"), root("user", "b", "2")]);
    expect(readWarm("/app/lib/plugins/b/file")).toBe(`${appId}.Plugin.b 2`);
  });

  test("prepareRun() takes an unmaintained extension from a folder of the installation, before one that is installed", async () => {
    deployExtension(`${appId}.Plugin.a`);
    machine.file(`system/extension/${appId}.Plugin.a/${arch}/1/file`, "unmaintained");
    machine.file(`user/extension/${appId}.Plugin.z/${arch}/1/file`, "unmaintained");
    machine.file(`user/extension/${appId}.Plugin.other/${arch}/2/file`, "other branch");
    expect(await shown()).toEqual([
      `/system/extension/${appId}.Plugin.a/${arch}/1 /app/lib/plugins/a`,
      `/user/extension/${appId}.Plugin.z/${arch}/1 /app/lib/plugins/z`,
    ]);
    expect(readWarm("/.flatpak-info")).toContain(`\napp-extensions=${appId}.Plugin.a=local;${appId}.Plugin.z=local\n`);
  });

  const a = () => `runtime/${appId}.Plugin.a/${arch}/1`;
  test.each<[string, () => void]>([
    ["one is updated", () => deployExtension(`${appId}.Plugin.a`, { commit: "3" })],
    ["one is removed", () => rmSync(join(machine.system, a(), "active"))],
    ["a further one is installed", () => deployExtension(`${appId}.Plugin.b`)],
    ["the user installs their own", () => deployExtension(`${appId}.Plugin.a`, { installation: machine.user })],
    ["an unmaintained one appears", () => void machine.file(`system/extension/${appId}.Plugin.a/${arch}/1/file`, "x")],
  ])("a kept plan is not taken once %s", async (_what, change) => {
    deployExtension(`${appId}.Plugin.a`);
    await specification();
    expect(readWarm("/app/lib/plugins/a/file")).toBe(`${appId}.Plugin.a 1`);
    change();
    expect(readWarm("/app/lib/plugins/a/file")).toBeUndefined();
  });

  test("prepareRun() makes another linker's cache for other extensions", async () => {
    const platform = join(
      machine.system,
      `runtime/org.test.Platform/${arch}/1`,
      "1".repeat(64),
      "root/usr/bin/ldconfig",
    );
    copyFileSync("/sbin/ldconfig", platform);
    const cacheOf = ({ layer }: Specification) => {
      const entry = layer.find(({ path }) => path === "/etc/ld.so.cache");
      return entry?.kind === "copy" ? entry.source : undefined;
    };
    const without = cacheOf(await specification());
    const commit = deployExtension(`${appId}.Plugin.a`);
    const library = join(machine.system, a(), commit, "root/usr/lib/libplugin.so.1");
    mkdirSync(dirname(library), { recursive: true });
    const source = machine.file("library.c", "int answer(void) { return 42; }\n");
    spawnSync("gcc", ["-shared", "-fPIC", "-Wl,-soname,libplugin.so.1", "-o", library, source]);
    const specified = await specification();
    const cache = cacheOf(specified);
    expect(without).toBeDefined();
    expect(cache).not.toBe(without);
    expect(await Bun.file(cache ?? "").text()).toContain("/app/lib/plugins/a/lib/libplugin.so.1");
    expect(specified.environment.unset).toContain("LD_LIBRARY_PATH");
  });
});
