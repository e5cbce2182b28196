// SPDX-License-Identifier: Apache-2.0
// Something else in the place of a file of an installation: no command may wait for it, and each says what is wrong.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { addRemote } from "../../src/remotes/config.ts";
import { addSample, appRef, install } from "../engine/fixtures.ts";
import { TestFolder } from "../store/images.ts";
import type { Outcome } from "./inplace.ts";

const hello = appRef("Hello");
const desktop = "[Desktop Entry]\nType=Application\nName=x\nExec=hello\n";

const folder = new TestFolder();
const template = join(folder.path, "template");
const layout = join(folder.path, "layout");
const commits: string[] = [];
afterAll(() => folder[Symbol.dispose]());

/** Two versions are installed, shown by hard links, so that copies are as good; the remote has a third one. */
beforeAll(async () => {
  const installation = folder.installation("template");
  chmodSync(template, 0o775);
  const publish = (text: string): string =>
    addSample(layout, {
      ref: hello,
      files: { text: text.repeat(100), "/export/share/applications/org.test.Hello.desktop": desktop },
    });
  commits.push(publish("one\n"));
  await addRemote(installation, "local", { url: `oci:${layout}` });
  await install(installation, ["local", hello], { noDeps: true });
  const { execute } = await import("../../src/engine/execute.ts");
  const { prepareUpdate } = await import("../../src/engine/prepareupdate.ts");
  commits.push(publish("two\n"));
  await execute(await prepareUpdate(installation, []), installation);
  publish("three\n");
});

/** The files and links of a folder, by their paths. */
function* filesIn(top: string): Generator<string> {
  for (const entry of readdirSync(top, { withFileTypes: true })) {
    const path = join(top, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else yield path;
  }
}

/** The files of the installation; of objects, of files that are shown and of what both versions have, one. */
function fileNames(): readonly string[] {
  const names = new Map<string, string>();
  for (const path of filesIn(template)) {
    const name = path.slice(template.length + 1);
    const kind = name
      .replace(/^objects\/.*/, "objects")
      .replace(/\/root\/.*/, "/root")
      .replaceAll(/[0-9a-f]{64}/g, "X");
    if (!names.has(kind) || name.includes(commits.at(-1) ?? "")) names.set(kind, name);
  }
  return [...names.values()].sort();
}

/** Does in each of the installations what commands do, and prints how each of them ended. */
async function walk(paths: readonly string[]): Promise<readonly Outcome[]> {
  const program = resolve("tests/hostile/inplace.ts");
  const child = spawn(process.execPath, [program, ...paths], { stdio: ["ignore", "pipe", "pipe"] });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name].on("data", (data) => (texts[name] += String(data)));
  const deadline = setTimeout(() => child.kill("SIGKILL"), 60_000);
  await new Promise((ended) => child.on("close", ended));
  clearTimeout(deadline);
  expect(texts.stderr).toBe("");
  return texts.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

const makeSockets = `import os, socket, sys
for path in sys.argv[1:]:
    os.chdir(os.path.dirname(path))
    socket.socket(socket.AF_UNIX).bind(os.path.basename(path))`;

test.each([
  ["a pipe", (paths: readonly string[]) => execFileSync("mkfifo", paths)],
  ["a socket", (paths: readonly string[]) => execFileSync("python3", ["-c", makeSockets, ...paths])],
])(
  "list, info, update and repair wait for nothing where %s lies in the place of any file",
  async (kind, put) => {
    const names = fileNames();
    expect(names.length).toBeGreaterThan(20);
    const places = names.map((name, at) => ({ name, path: join(folder.path, `${kind}-${at}`) }));
    for (const { name, path } of places) {
      execFileSync("cp", ["-a", template, path]);
      rmSync(join(path, name));
    }
    put(places.map(({ name, path }) => join(path, name)));
    const outcomes = await walk(places.map(({ path }) => path));
    expect(outcomes.map(([path]) => path)).toEqual(places.map(({ path }) => path));
    for (const [at, [, ...ends]] of outcomes.entries()) {
      const strange = ends.filter((end) => !/^(ok|NOT_INSTALLED|STORE_INVALID|STORE_VERSION)$/.test(end));
      expect([names[at], ...strange]).toEqual([names[at]]);
    }
    // What decides about trust and about how all else is read a person must mend.
    const unsound = names.filter((_, at) => outcomes[at]?.at(-1) !== "ok");
    expect(unsound).toEqual(["remotes.conf", "version"]);
  },
  120_000,
);
