// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { lstatSync, readFileSync, readlinkSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { DowelEvent } from "../../../src/base/events.ts";
import { isSound, repair } from "../../../src/engine/repair.ts";
import { parseRef } from "../../../src/metadata/ref.ts";
import { deployImage } from "../../../src/store/deploy/deploy.ts";
import { undeploy } from "../../../src/store/deploy/undeploy.ts";
import type { Installation } from "../../../src/store/installation.ts";
import { importImage } from "../../../src/store/transfer/import.ts";
import { type Files, layersLayout, openImage, TestFolder, tarOfFiles, writeApp } from "../images.ts";

const id = "org.test.Hello";
const entry = "[Desktop Entry]\nExec=hello\n";
/** One black pixel. */
const icon = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==",
  "base64",
);

async function install(installation: Installation, layout: string): Promise<DowelEvent[]> {
  const events: DowelEvent[] = [];
  const report = (event: DowelEvent) => events.push(event);
  const { source, document } = await openImage(layout);
  const image = await importImage(installation, source, document);
  await deployImage(installation, image, { origin: "test", source: source.name, report });
  return events.filter((event) => event.type === "warning");
}

function exported(installation: Installation): string[] {
  const output = execFileSync("find", [installation.exports, "-type", "l", "-printf", "%P\n"], { encoding: "utf8" });
  return output
    .split("\n")
    .filter((line) => line !== "")
    .sort();
}

test("deployImage() exports what the rules allow, and says what it leaves out", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const files: Files = {
    "files/a": "a",
    [`export/share/applications/${id}.desktop`]: entry,
    "export/share/applications/org.other.App.desktop": entry,
    [`export/share/applications/${id}.txt`]: "x",
    [`export/share/icons/hicolor/64x64/apps/${id}.png`]: icon,
    [`export/share/icons/hicolor/128x128/apps/${id}.png`]: "not an image, whatever its name says",
    [`export/share/icons/hicolor/scalable/apps/${id}-symbolic.svg`]: "<svg/>",
    [`export/share/appdata/${id}.appdata.xml`]: "<x/>",
    [`export/share/metainfo/releases/${id}.releases.xml`]: "<x/>",
    [`export/share/applications/${id}.link.desktop`]: "-> /etc/passwd",
    [`export/share/systemd/user/${id}.service`]: "x",
    "export/bin/org.test.Hello:755": "#!/bin/sh\nevil\n",
  };
  const warnings = await install(installation, writeApp(folder, id, files));
  expect(warnings).toHaveLength(2);
  expect(JSON.stringify(warnings)).toContain("org.other.App.desktop");
  expect(JSON.stringify(warnings)).toContain("since it is not a PNG image");
  expect(exported(installation)).toEqual([
    "bin/hello",
    `bin/${id}`,
    `share/applications/${id}.desktop`,
    `share/icons/hicolor/64x64/apps/${id}.png`,
    `share/icons/hicolor/scalable/apps/${id}-symbolic.svg`,
    `share/metainfo/${id}.appdata.xml`,
    `share/metainfo/releases/${id}.releases.xml`,
  ]);
  const wrapper = join(installation.exports, "bin", id);
  expect(readFileSync(wrapper, "utf8")).toBe(`#!/bin/sh\nexec dowel run --branch=stable --arch=x86_64 ${id} "$@"\n`);
  expect(statSync(wrapper).mode & 0o777).toBe(0o755);
  expect(readFileSync(join(installation.exports, `share/applications/${id}.desktop`), "utf8")).toContain(
    `X-Flatpak=${id}`,
  );
});

test("deployImage() takes the exports of a root file system from /app/share, silently", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const layer = tarOfFiles({
    [`app/share/applications/${id}.desktop`]: entry,
    "app/share/applications/other.desktop": entry,
    "app/share/icons/theme/x.png": "x",
  });
  expect(await install(installation, layersLayout(folder, [layer]))).toEqual([]);
  expect(exported(installation)).toEqual(["bin/hello", `bin/${id}`, `share/applications/${id}.desktop`]);
});

test.each([
  ["a file that is too large", `export/share/icons/${id}.png`, "x".repeat(4 * 1024 * 1024 + 1), "LIMIT_EXCEEDED"],
  [
    "a service of another name",
    `export/share/dbus-1/services/${id}.service`,
    "[D-BUS Service]\nName=a.b.c\n",
    "EXPORT_INVALID",
  ],
  ["an entry that is no keyfile", `export/share/applications/${id}.desktop`, "x\n", "KEYFILE_SYNTAX"],
])("deployImage() refuses to export %s", async (_, path, content, code) => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const layout = writeApp(folder, id, { "files/a": "1", [path]: content });
  await expect(install(installation, layout)).rejects.toMatchObject({ code });
  expect(exported(installation)).toEqual([]);
});

test("deployImage() removes exports that an update no longer has", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const path = `share/icons/hicolor/64x64/apps/${id}.png`;
  await install(installation, writeApp(folder, id, { "files/a": "1", [`export/${path}`]: icon }));
  expect(exported(installation)).toContain(path);
  await install(installation, writeApp(folder, id, { "files/a": "2" }));
  expect(exported(installation)).toEqual(["bin/hello", `bin/${id}`]);
  expect(lstatSync(installation.exports).isDirectory()).toBe(true);
});

test("deployImage() leaves a name to the app with the longer id", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const name = `share/applications/${id}.Tool.desktop`;
  await install(installation, writeApp(folder, `${id}.Tool`, { "files/a": "1", [`export/${name}`]: entry }));
  await install(installation, writeApp(folder, id, { "files/a": "1", [`export/${name}`]: entry }));
  expect(readlinkSync(join(installation.exports, name))).toBe(`../../../app/${id}.Tool/current/active/export/${name}`);
});

test("deployImage() removes links in exports that lead nowhere", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  symlinkSync("../app/org.gone/current/active/export/x", join(installation.exports, "dangling"));
  await install(installation, writeApp(folder, id, { "files/a": "1" }));
  expect(exported(installation)).toEqual(["bin/hello", `bin/${id}`]);
});

test("of two apps with a command of one name the first has it, and the other gets it when that goes", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const second = "org.test.Another";
  const owner = (): string => readlinkSync(join(installation.exports, "bin/hello")).split("/")[3] ?? "";
  expect(await install(installation, writeApp(folder, id, { "files/a": "1" }))).toEqual([]);
  const warnings = await install(installation, writeApp(folder, second, { "files/a": "2" }));
  expect(JSON.stringify(warnings)).toContain(`The command hello is that of ${id} already; ${second} runs by its id`);
  expect([owner(), exported(installation)]).toEqual([id, ["bin/hello", `bin/${second}`, `bin/${id}`]]);
  expect(isSound(await repair(installation, { dryRun: true }))).toBe(true);
  await undeploy(installation, parseRef(`app/${id}/x86_64/stable`));
  expect([owner(), exported(installation)]).toEqual([second, ["bin/hello", `bin/${second}`]]);
  expect(isSound(await repair(installation, { dryRun: true }))).toBe(true);
});
