// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { listDeployments } from "../../src/store/deployments.ts";
import { openInstallation } from "../../src/store/installation.ts";
import { lowerOf } from "../../src/store/shown.ts";
import { describeTree, type Files, TestFolder, writeApp } from "./images.ts";

const source = join(import.meta.dir, "../../src");

/** A program that installs the layouts of its command line into the installation of its first word. */
function installer(folder: TestFolder): string {
  const path = join(folder.path, "install.ts");
  writeFileSync(
    path,
    `import { openLayout } from "${source}/oci/layout.ts";
import { createInstallation } from "${source}/store/installation.ts";
import { importImage } from "${source}/store/transfer/import.ts";
import { deployImage } from "${source}/store/deploy/deploy.ts";
import { pinObjects } from "${source}/store/locks.ts";
const [path = "", ...layouts] = process.argv.slice(2);
const installation = createInstallation({ name: "test", kind: "user", path, priority: 0 });
for (const layout of layouts) {
  using pin = await pinObjects(installation);
  const source = await openLayout(layout);
  const image = await importImage(installation, source, await source.resolve());
  await deployImage(installation, image, { origin: "test", source: source.name });
}
`,
  );
  return path;
}

function start(program: string, words: readonly string[], before: readonly string[] = []): Promise<number | null> {
  const [command = "", ...rest] = [...before, process.execPath, program, ...words];
  const child = spawn(command, rest, { stdio: ["ignore", "inherit", "inherit"] });
  return new Promise((resolve) => child.once("exit", resolve));
}

const files = (id: string): Files => ({
  "files/bin/hello:755": `#!/bin/sh\necho hello from ${id} ${"#".repeat(100)}\n`,
  "files/shared": Buffer.alloc(2_000_000, "shared"),
  "files/tiny": "t",
  [`export/share/applications/${id}.desktop`]: "[Desktop Entry]\nExec=hello\n",
});

test("importImage() and deployImage() work in several processes at once", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const ids = ["org.test.One", "org.test.Two", "org.test.Three"];
  const program = installer(folder);
  const layouts = ids.map((id) => writeApp(folder, id, files(id)));
  const runs = [...layouts, ...layouts].map((layout) => start(program, [installation.path, layout]));
  expect(await Promise.all(runs)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(listDeployments(installation).map(({ ref }) => ref.id)).toEqual([...ids].sort());
  expect(readdirSync(join(installation.exports, "share/applications"))).toHaveLength(3);
  expect(readdirSync(installation.tmp).filter((name) => name !== "blobs")).toEqual([]);
});

test("deployImage() works for an ordinary user, with hard links", async () => {
  using folder = new TestFolder();
  chmodSync(folder.path, 0o755);
  const home = join(folder.path, "home");
  mkdirSync(home);
  execFileSync("chown", ["1234:1234", home]);
  const id = "org.test.One";
  const layout = writeApp(folder, id, files(id));
  const path = join(home, "dowel");
  const user = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups", "env", `HOME=${home}`];
  expect(await start(installer(folder), [path, layout], user)).toBe(0);

  const [deployment, ...others] = listDeployments(openInstallation({ name: "a", kind: "user", path, priority: 0 }));
  expect(others).toEqual([]);
  if (deployment === undefined) throw new Error("nothing was deployed");
  expect(deployment.shownAs).toBe("checkout");
  const shown = join(lowerOf(deployment), "app");
  expect(statSync(shown).uid).toBe(1234);
  expect(describeTree(shown, "%P %y %l")).toBe(describeTree(layout.replace(/layout$/, "tree/files"), "%P %y %l"));
  const output = execFileSync(join(deployment.path, "files/bin/hello"), { encoding: "utf8", uid: 1234 });
  expect(output).toContain("hello from org.test.One");
});

test("a process that is killed while it installs leaves the old state or the new one", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const id = "org.test.One";
  const program = installer(folder);
  const first = writeApp(folder, id, { ...files(id), "files/version": "1" });
  const second = writeApp(folder, id, {
    ...files(id),
    "files/version": "2",
    "files/more": Buffer.alloc(30_000_000, "m"),
  });
  expect(await start(program, [installation.path, first])).toBe(0);
  for (const step of ["objects-", "image-", "deploy-"]) {
    // The folder of a step can be seen in tmp/; the process is killed as soon as it is there.
    const child = spawn(process.execPath, [program, installation.path, second], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    let over = false;
    ended.then(() => {
      over = true;
    });
    while (!over && !readdirSync(installation.tmp).some((name) => name.startsWith(step))) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill("SIGKILL");
    await ended;
    const [deployment] = listDeployments(installation);
    expect(["1", "2"]).toContain(readFileSync(join(deployment?.path ?? "", "files/version"), "utf8"));
  }
  expect(await start(program, [installation.path, second])).toBe(0);
  const [deployment] = listDeployments(installation);
  expect(readFileSync(join(deployment?.path ?? "", "files/version"), "utf8")).toBe("2");
  expect(existsSync(join(installation.exports, `share/applications/${id}.desktop`))).toBe(true);
  expect(readdirSync(installation.tmp).filter((name) => name !== "blobs")).toEqual([]);
});
