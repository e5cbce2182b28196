// SPDX-License-Identifier: Apache-2.0
// Apps, runtimes and extensions whose metadata or files lead out of their images (GHSA-w69g-9x8j-7p8f, GHSA-8qxj-x646-phcm).
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { type PreparedRun, prepareRun } from "../../src/engine/run/prepare.ts";
import { spawnPlan } from "../../src/instances/spawn.ts";
import { appId, arch, Machine, request } from "../engine/run/support.ts";
import { launcher } from "../launcher/support.ts";

let machine: Machine;

beforeEach(() => {
  machine = new Machine();
  machine.deployPlatform();
});
afterEach(() => machine[Symbol.dispose]());

const extensionId = `${appId}.Plugin`;

function deployExtension(id = extensionId, branch = "stable"): string {
  const ref = `runtime/${id}/${arch}/${branch}`;
  const commit = machine.deploy(ref, `[Runtime]\nname=${id}\n`);
  return join(machine.system, ref, commit, "root/usr");
}

function point(lines: string, name = extensionId): string {
  return `\n[Extension ${name}]\n${lines}\n`;
}

const appRoot = () => join(machine.system, `app/${appId}/${arch}/stable`, "1".repeat(64), "root/app");

async function prepare(): Promise<PreparedRun> {
  return await prepareRun(request(), []);
}

function bindTargets({ specification }: PreparedRun): string[] {
  return specification.mounts.flatMap((mount) =>
    mount.kind === "bind" && mount.source.includes("/runtime/") ? [mount.target] : [],
  );
}

describe("extension points that lead elsewhere", () => {
  test.each([
    "directory=../../../../tmp/x",
    "directory=/etc",
    "directory=a/../../b",
    "directory=.",
    "directory=lib\nsubdirectory-suffix=../../x",
    "directory=lib\nmerge-dirs=../../..;",
    "directory=lib\nmerge-dirs=/etc",
    "directory=lib\nadd-ld-path=../../../../home",
    "directory=lib\\nx",
    "directory=lib\nversion=../../../x",
    "directory=lib\nversions=../x;/y",
  ])("a point with %j is left out, and the app starts", async (lines) => {
    deployExtension();
    machine.deployApp(point(lines));
    const run = await prepare();
    expect(bindTargets(run)).toEqual([]);
    expect((await spawnPlan(run.bytes, ["exit", "3"], { launcher })).code).toBe(3);
  });

  test.each(["../../../../etc", "a/../../b", "x", "..", "org.test.App/../../x"])(
    "a point by the name %j is left out: it would name a folder of the host",
    async (name) => {
      machine.deployApp(point("directory=lib", name));
      expect(bindTargets(await prepare())).toEqual([]);
    },
  );

  test.each<[string, string]>([
    ["/etc", "lib"],
    ["../../../../../../etc", "lib"],
    ["/run", "lib"],
    ["lib", "lib"],
    ["../usr", "lib"],
  ])(
    "an app whose folder is a link to %s gets no extension there, and nothing is made on the host",
    async (to, name) => {
      deployExtension();
      machine.deployApp(point(`directory=${name}/plugins\nmerge-dirs=share`));
      symlinkSync(to, join(appRoot(), name));
      const run = await prepare();
      expect(bindTargets(run)).toEqual([]);
      expect((await spawnPlan(run.bytes, ["exit", "3"], { launcher })).code).toBe(3);
    },
  );

  test("a merged folder that is a link in the extension lists nothing of the host", async () => {
    const files = deployExtension();
    machine.file("secret/name-of-a-secret", "");
    machine.deployApp(point("directory=lib/plugins\nmerge-dirs=share;deep/er"));
    symlinkSync(join(machine.path, "secret"), join(files, "share"));
    symlinkSync(machine.path, join(files, "deep"));
    const { specification } = await prepare();
    expect(JSON.stringify(specification.layer)).not.toContain("name-of-a-secret");
  });

  test("an extension inside another is not mounted through that one's links", async () => {
    const files = deployExtension();
    deployExtension(`${appId}.Inner`);
    machine.deployApp(point("directory=lib/plugins") + point("directory=lib/plugins/a/b", `${appId}.Inner`));
    symlinkSync("/tmp", join(files, "a"));
    const run = await prepare();
    expect(bindTargets(run)).toEqual(["/app/lib/plugins"]);
    expect((await spawnPlan(run.bytes, ["exit", "3"], { launcher })).code).toBe(3);
  });

  test("an unmaintained extension behind a link that leads nowhere, or to a file, is not there", async () => {
    machine.deployApp(point("directory=lib/plugins"));
    const path = join(machine.system, "extension", extensionId, arch, "stable");
    mkdirSync(dirname(path), { recursive: true });
    for (const to of ["/nowhere", "/etc/passwd", path]) {
      symlinkSync(to, path);
      expect(bindTargets(await prepare())).toEqual([]);
      rmSync(path);
    }
  });
});

describe("too much of everything", () => {
  test("thousands of subdirectories are refused by their point", async () => {
    const root = dirname(deployExtension(`${extensionId}.e0`));
    for (let index = 1; index <= 201; index += 1) {
      const ref = join(machine.system, `runtime/${extensionId}.e${index}`);
      symlinkSync(join(root, "../../../.."), ref);
    }
    machine.deployApp(point("directory=lib/plugins\nsubdirectories=true"));
    await expect(prepare()).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      message: expect.stringContaining(extensionId),
    });
  });

  test.each([
    ["points", Array.from({ length: 501 }, (_, index) => point("directory=x", `${extensionId}.p${index}`)).join("")],
    ["versions", point(`directory=x\nversions=${Array.from({ length: 101 }, (_, index) => index).join(";")}`)],
    ["merge-dirs", point(`directory=x\nmerge-dirs=${Array.from({ length: 101 }, (_, index) => index).join(";")}`)],
  ])("metadata with thousands of %s is refused", async (_what, text) => {
    machine.deployApp(text);
    await expect(prepare()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});
