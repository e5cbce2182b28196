// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, readlinkSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setConfig } from "../../src/engine/config.ts";
import { history } from "../../src/engine/history.ts";
import { push } from "../../src/engine/push.ts";
import { repair } from "../../src/engine/repair.ts";
import { previousVersion, switchVersion } from "../../src/engine/rollback.ts";
import { parseRef } from "../../src/metadata/ref.ts";
import { Registry } from "../../src/oci/client/registry.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { addRemote } from "../../src/remotes/config.ts";
import { deployImage } from "../../src/store/deploy/deploy.ts";
import { undeploy } from "../../src/store/deploy/undeploy.ts";
import { deployedCommits, readDeployment, refFolder, requireDeployment } from "../../src/store/deployments.ts";
import { collectGarbage } from "../../src/store/garbage.ts";
import type { Installation } from "../../src/store/installation.ts";
import { lowerOf } from "../../src/store/shown.ts";
import { importImage } from "../../src/store/transfer/import.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef } from "./fixtures.ts";
import { FaultProxy } from "./proxy.ts";

const hello = appRef("Hello");
const ref = parseRef(hello);

/** Three versions of an app in a registry, oldest first. */
const host = new TestFolder();
const commits: string[] = [];
let registry: Awaited<ReturnType<typeof serveRegistry>>;
let proxy: FaultProxy;

const textOf = (at: number): string => `version ${at}\n`.repeat(100);

beforeAll(async () => {
  registry = await serveRegistry({ folder: join(host.path, "registry"), listen: "127.0.0.1:0" });
  const layout = join(host.path, "layout");
  for (const at of [0, 1, 2]) {
    commits.push(addSample(layout, { ref: hello, files: { "share/text": textOf(at) } }));
    await push(`oci:${layout}:${hello}`, `oci+${registry.address}/demo`);
  }
  proxy = await FaultProxy.start(registry.address);
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await registry.stop();
  host[Symbol.dispose]();
});

async function deploy(installation: Installation, at: number, keepVersions?: number): Promise<void> {
  const name = "demo/org.test.hello";
  const source = new Registry(`http://${proxy.host}/`, { credentials: async () => undefined }).repository(name);
  const image = await importImage(installation, source, await source.resolve(`sha256:${commits[at]}`));
  await deployImage(installation, image, { origin: "demo", source: `docker://${proxy.host}/${name}`, keepVersions });
}

/** An installation that went through all three versions and keeps as many of them as is said. */
async function updated(folder: TestFolder, keepVersions?: number): Promise<Installation> {
  proxy.fault = () => undefined;
  const installation = folder.installation();
  await addRemote(installation, "demo", { url: `oci+http://${proxy.host}/demo` });
  for (const at of [0, 1, 2]) await deploy(installation, at, keepVersions);
  await collectGarbage(installation);
  return installation;
}

const commit = (at: number): string => commits[at] ?? "";
const folderOf = (installation: Installation, at: number): string => join(refFolder(installation, ref), commit(at));

/** What a loss on the disk takes: a version's folder, and its image, whose objects go as garbage then. */
async function lose(installation: Installation, at: number): Promise<void> {
  rmSync(folderOf(installation, at), { recursive: true });
  await collectGarbage(installation);
  expect(existsSync(join(installation.images, commit(at)))).toBe(false);
}

/** The registry does not have the manifest of a version any more. */
function withdraw(at: number): void {
  proxy.fault = ({ path }) => (path.endsWith(`/manifests/sha256:${commit(at)}`) ? { status: 404 } : undefined);
}

async function mend(installation: Installation) {
  const warnings: string[] = [];
  const findings = await repair(installation, {
    dryRun: false,
    report: (event) => void (event.type === "warning" && warnings.push(event.text)),
  });
  return { warnings, found: findings.map(({ kind, what, path, mended }) => [kind, what, path, mended]) };
}

describe("a version that is kept to go back to, and whose folder is lost", () => {
  test("is named by repair, and fetched again without becoming active", async () => {
    using folder = new TestFolder();
    const installation = await updated(folder);
    const { deployedAt } = readDeployment(installation, ref, commit(1)) ?? {};
    await lose(installation, 1);
    expect((await repair(installation, { dryRun: true })).map(({ what, path }) => [what, path])).toContainEqual([
      "missing",
      folderOf(installation, 1),
    ]);
    expect(existsSync(folderOf(installation, 1))).toBe(false);
    const { warnings, found } = await mend(installation);
    expect(warnings).toEqual([]);
    expect(found).toEqual([
      ["image", "missing", join(installation.images, commit(1)), true],
      ["deployment", "missing", folderOf(installation, 1), true],
    ]);
    expect(await repair(installation, { dryRun: true })).toEqual([]);
    const again = readDeployment(installation, ref, commit(1));
    expect(Math.abs((again?.deployedAt ?? 0) - (deployedAt ?? 0))).toBeLessThan(600);
    expect(requireDeployment(installation, ref).commit).toBe(commit(2));
    expect(previousVersion(installation, requireDeployment(installation, ref))).toBe(commit(1));
    const back = await switchVersion(installation, ref, commit(1));
    expect(readFileSync(join(back === undefined ? "" : lowerOf(back), "app/share/text"), "utf8")).toBe(textOf(1));
  });

  test("is made again of its image where only the folder has gone", async () => {
    using folder = new TestFolder();
    const installation = await updated(folder);
    rmSync(folderOf(installation, 1), { recursive: true });
    proxy.fault = () => ({ status: 500 });
    expect(await mend(installation)).toEqual({
      warnings: [],
      found: [["deployment", "missing", folderOf(installation, 1), true]],
    });
    expect(await repair(installation, { dryRun: true })).toEqual([]);
  });

  test("is not passed over by a rollback to a still older one", async () => {
    using folder = new TestFolder();
    const installation = await updated(folder, 2);
    await lose(installation, 1);
    const active = requireDeployment(installation, ref);
    expect(() => previousVersion(installation, active)).toThrow(
      expect.objectContaining({
        code: "STORE_INVALID",
        message: expect.stringContaining(commit(1)),
        hint: expect.stringContaining(`dowel rollback --to=${commit(0)} org.test.Hello`),
      }),
    );
  });

  test("comes again in its place among several", async () => {
    using folder = new TestFolder();
    const installation = await updated(folder, 2);
    await lose(installation, 0);
    await mend(installation);
    expect(deployedCommits(installation, ref)).toEqual([...commits].sort());
    expect(previousVersion(installation, requireDeployment(installation, ref))).toBe(commit(1));
  });
});

describe("a version that was removed on purpose", () => {
  test("does not come again: by the policy, by an option, with its ref, or by an earlier Dowel", async () => {
    using folder = new TestFolder();
    const installation = await updated(folder, 0);
    expect(deployedCommits(installation, ref)).toEqual([commit(2)]);
    expect(await mend(installation)).toEqual({ warnings: [], found: [] });
    await deploy(installation, 1);
    await lose(installation, 2);
    await setConfig(installation, "keep-versions", "0");
    expect(await mend(installation)).toEqual({ warnings: [], found: [] });
    await setConfig(installation, "keep-versions", "3");
    expect((await repair(installation, { dryRun: true })).length).toBeGreaterThan(0);
    const journal = join(installation.path, "history.jsonl");
    const text = readFileSync(journal, "utf8");
    writeFileSync(journal, text.replaceAll(/"kept":\[[^\]]*\],/g, ""));
    expect(await mend(installation)).toEqual({ warnings: [], found: [] });
    writeFileSync(journal, text);
    await undeploy(installation, ref);
    await collectGarbage(installation);
    expect(await mend(installation)).toEqual({ warnings: [], found: [] });
  });

  test("does not come again where the journal lacks the change that made another one active", async () => {
    using folder = new TestFolder();
    const installation = await updated(folder);
    const journal = join(installation.path, "history.jsonl");
    const lines = readFileSync(journal, "utf8").split("\n");
    await switchVersion(installation, ref, commit(1));
    await lose(installation, 2);
    // As on a full disk.
    writeFileSync(journal, lines.join("\n"));
    expect(await mend(installation)).toEqual({ warnings: [], found: [] });
  });
});

describe("a version that its origin has withdrawn", () => {
  const givenUp = (): unknown[] => [expect.stringContaining(`${commit(1).slice(0, 12)} is given up: demo`)];

  test.each([
    ["lost", (installation: Installation) => lose(installation, 1)],
    [
      "damaged",
      async (installation: Installation) => writeFileSync(join(installation.images, commit(1), "manifest.json"), "{}"),
    ],
  ])("is given up where it is %s, is said once, and is not offered again", async (_, damage) => {
    using folder = new TestFolder();
    const installation = await updated(folder);
    await damage(installation);
    withdraw(1);
    const { warnings, found } = await mend(installation);
    expect(warnings).toEqual(givenUp() as string[]);
    expect(found.some(([, , , mended]) => mended)).toBe(false);
    expect(await mend(installation)).toEqual({ warnings: [], found: [] });
    expect(deployedCommits(installation, ref)).toEqual([commit(2)]);
    expect(() => previousVersion(installation, requireDeployment(installation, ref))).toThrow(
      expect.objectContaining({
        code: "REF_NOT_FOUND",
        message: expect.stringContaining(commit(2)),
        hint: expect.stringContaining(`There were: ${commit(0)}.`),
      }),
    );
    expect(history([installation]).at(-1)).toMatchObject({ change: "drop version", commit: commit(1), remote: "demo" });
  });

  test("stays where it is whole, where it is active, and where the repository does not answer for others either", async () => {
    using folder = new TestFolder();
    const installation = await updated(folder);
    withdraw(1);
    expect(await mend(installation)).toEqual({ warnings: [], found: [] });
    writeFileSync(join(installation.images, commit(1), "manifest.json"), "{}");
    proxy.fault = () => ({ status: 404 });
    const { warnings } = await mend(installation);
    expect(warnings).toEqual([expect.stringContaining("cannot be fetched again")]);
    expect(existsSync(folderOf(installation, 1))).toBe(true);
    await deploy(installation, 0).catch(() => undefined);
    proxy.fault = () => undefined;
    expect((await mend(installation)).warnings).toEqual([]);
    unlinkSync(join(refFolder(installation, ref), "active"));
    expect((await mend(installation)).warnings).toEqual([]);
    writeFileSync(join(installation.images, commit(2), "manifest.json"), "{}");
    withdraw(2);
    expect((await mend(installation)).warnings).toEqual([expect.stringContaining("cannot be fetched again")]);
    expect(readlinkSync(join(refFolder(installation, ref), "active"))).toBe(commit(2));
  });
});
