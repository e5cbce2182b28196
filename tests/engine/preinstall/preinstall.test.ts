// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execute } from "../../../src/engine/execute.ts";
import { decide } from "../../../src/engine/preinstall/decide.ts";
import { notePreinstalled, preparePreinstall } from "../../../src/engine/preinstall/prepare.ts";
import { readWishes } from "../../../src/engine/preinstall/wishes.ts";
import { prepareUninstall } from "../../../src/engine/prepareuninstall.ts";
import { formatRef } from "../../../src/metadata/ref.ts";
import { addRemote } from "../../../src/remotes/config.ts";
import { listDeployments } from "../../../src/store/deployments.ts";
import { TestFolder } from "../../store/images.ts";
import { addSample, appRef, platform, recorder } from "../fixtures.ts";

function wishes(...texts: readonly string[]) {
  const warnings: string[] = [];
  const files = texts.map((text, at) => ({ path: `/${at}.preinstall`, bytes: Buffer.from(text) }));
  const found = readWishes(files, (text) => warnings.push(text), "x86_64");
  return { refs: found.map(({ ref }) => formatRef(ref)), found, warnings };
}

describe("readWishes()", () => {
  test("takes the defaults of Flatpak, and overrides key by key", () => {
    const first = "[Flatpak Preinstall org.test.App]\nBranch=stable\nCollectionID=org.test\n";
    const { refs, found } = wishes(
      first,
      "[Flatpak Preinstall org.test.App]\nIsRuntime=true\nCollectionID=\n[Flatpak Preinstall org.test.Other]\n",
    );
    expect(refs).toEqual(["runtime/org.test.App/x86_64/stable", "app/org.test.Other/x86_64/master"]);
    expect(found[0]?.collectionId).toBeUndefined();
    expect(wishes(first, "[Flatpak Preinstall org.test.App]\nInstall=false\n").refs).toEqual([]);
  });

  test("passes over what is malformed, with a warning, and takes the rest", () => {
    const { refs, warnings } = wishes(
      "[Flatpak Preinstall org.test.App]\nInstall=perhaps\n[Other]\n",
      "no keyfile",
      "[Flatpak Preinstall org.test.Empty]\nBranch=\n[Flatpak Preinstall ../../x]\n",
    );
    expect(refs).toEqual(["app/org.test.App/x86_64/master"]);
    expect(warnings).toHaveLength(5);
  });
});

describe("decide()", () => {
  const [a, b] = wishes("[Flatpak Preinstall org.test.A]\n[Flatpak Preinstall org.test.B]\n").found;
  const nameA = "app/org.test.A/x86_64/master";
  const nameB = "app/org.test.B/x86_64/master";
  if (a === undefined || b === undefined) throw new Error("two wishes were read");

  test.each([
    ["installs what is new", [a, b], [], undefined, false, [nameA, nameB], []],
    ["marks what is there already", [a], [nameA], undefined, false, [], []],
    ["leaves alone what a user removed", [a], [], [nameA], false, [], []],
    ["brings back what a user removed when told to", [a], [], [nameA], true, [nameA], []],
    ["removes what is wished for no longer", [a], [nameA, nameB], [nameA, nameB], false, [], [nameB]],
    ["leaves alone what it did not preinstall", [a], [nameA, nameB], [nameA], false, [], []],
  ] as const)("%s", (_, wanted, installed, preinstalled, reinstall, install, uninstall) => {
    const decision = decide({ wishes: wanted, installed: new Set(installed), preinstalled, reinstall });
    expect(decision.install.map(({ ref }) => formatRef(ref))).toEqual([...install]);
    expect(decision.uninstall).toEqual([...uninstall]);
    expect(decision.preinstalled).toEqual(wanted.map(({ ref }) => formatRef(ref)));
  });
});

test("preinstalled apps come once, stay away when removed, and go when they are listed no longer", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const layout = join(folder.path, "layout");
  for (const ref of [platform, appRef("A", "master"), appRef("B", "master")]) addSample(layout, { ref });
  await addRemote(store, "local", { url: `oci:${layout}` });
  const files = join(folder.path, "preinstall.d");
  mkdirSync(files);
  const list = (...names: readonly string[]): void =>
    writeFileSync(join(files, "x.preinstall"), names.map((name) => `[Flatpak Preinstall org.test.${name}]\n`).join(""));
  const apps = (): string[] => listDeployments(store).flatMap(({ ref }) => (ref.kind === "app" ? [ref.id] : []));
  const { events, report } = recorder();
  const run = async (): Promise<void> => {
    await execute(await preparePreinstall(store, { folders: [files], report }), store);
    await notePreinstalled(store, { folders: [files] });
  };
  list("A", "B", "Missing");
  await run();
  expect(apps()).toEqual(["org.test.A", "org.test.B"]);
  expect(events).toContainEqual({ type: "warning", text: expect.stringContaining("org.test.Missing") });
  await execute(prepareUninstall(store, ["org.test.A"]), store);
  await run();
  expect(apps()).toEqual(["org.test.B"]);
  list("A");
  await run();
  expect(apps()).toEqual([]);
});

test("a remote that does not answer fails what it may have, after the rest has come, until it answers", async () => {
  using folder = new TestFolder();
  const store = folder.installation();
  const [near, far] = [join(folder.path, "near"), join(folder.path, "far")];
  for (const ref of [platform, appRef("A", "master")]) addSample(near, { ref });
  await addRemote(store, "near", { url: `oci:${near}` });
  await addRemote(store, "far", { url: `oci:${far}` });
  const files = join(folder.path, "preinstall.d");
  mkdirSync(files);
  writeFileSync(join(files, "x.preinstall"), "[Flatpak Preinstall org.test.A]\n[Flatpak Preinstall org.test.B]\n");
  const apps = (): string[] => listDeployments(store).flatMap(({ ref }) => (ref.kind === "app" ? [ref.id] : []));
  const run = async (): Promise<void> => {
    try {
      await execute(await preparePreinstall(store, { folders: [files] }), store);
    } finally {
      await notePreinstalled(store, { folders: [files] });
    }
  };
  for (let time = 0; time < 2; time++) {
    const failed = run();
    await expect(failed).rejects.toThrow(expect.objectContaining({ message: expect.stringContaining("org.test.B") }));
    expect(apps()).toEqual(["org.test.A"]);
  }
  addSample(far, { ref: appRef("B", "master") });
  await run();
  expect(apps()).toEqual(["org.test.A", "org.test.B"]);
});
