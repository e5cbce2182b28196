// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { commands } from "../../src/cli/commands.ts";

const folder = mkdtempSync(join(tmpdir(), "dowel-package-"));
const tree = join(folder, "tree");
const manuals = join(tree, "usr/share/man/man1");
let file = "";

const output = (...[command = "", ...words]: string[]): string => execFileSync(command, words, { encoding: "utf8" });

beforeAll(() => {
  file = output(resolve("packaging/deb.sh"), "build", "1.2.3", folder, "zstd").trim();
  output("dpkg-deb", "--extract", file, tree);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the package's program runs from where it is put", () => {
  expect(output(join(tree, "usr/bin/dowel"), "list", "--help")).toContain("List what is installed");
});

test("the package belongs to root, and nobody else may write to what is in it", () => {
  expect(output("dpkg-deb", "--field", file, "Package", "Version")).toBe("Package: dowel\nVersion: 1.2.3\n");
  const lines = output("dpkg-deb", "--contents", file).trim().split("\n");
  expect(lines.filter((line) => !/^[d-]r(w-r--r--|wxr-xr-x) root\/root /.test(line))).toEqual([]);
});

test("the package's sums are those of its files", () => {
  output("dpkg-deb", "--control", file, join(folder, "control"));
  const sums = readFileSync(join(folder, "control/md5sums"), "utf8");
  expect(spawnSync("md5sum", ["--check", "--quiet", "-"], { input: sums, cwd: tree }).status).toBe(0);
});

test("every command has a manual page that man reads without a warning", () => {
  const shown = Object.entries(commands).filter(([, { hidden }]) => hidden !== true);
  const pages = shown.map(([name]) => `dowel-${name.replaceAll(" ", "-")}.1.gz`);
  expect(readdirSync(manuals).sort()).toEqual([...pages, "dowel.1.gz"].sort());
  const page = join(manuals, "dowel-list.1.gz");
  const text = spawnSync("man", ["--warnings=all", "--local-file", page], { env: { ...process.env, MANWIDTH: "200" } });
  expect(text.stdout.toString()).toContain("--columns=COLUMNS");
  const all = readdirSync(manuals).map((name) => execFileSync("zcat", [join(manuals, name)]));
  const { stderr } = spawnSync("groff", ["-man", "-ww", "-Tutf8", "-Kutf8", "-P-c"], { input: Buffer.concat(all) });
  expect(stderr.toString()).toBe("");
});

test("every unit names a manual page and a program that the package has", () => {
  const units = ["system", "user"].flatMap((kind) => {
    const place = join(tree, "usr/lib/systemd", kind);
    return readdirSync(place).map((name) => readFileSync(join(place, name), "utf8"));
  });
  const named = units.flatMap((text) => [...text.matchAll(/^Documentation=man:(.*)\(1\)$/gm)].map(([, page]) => page));
  expect(named.length).toBeGreaterThan(6);
  for (const page of named) expect(existsSync(join(manuals, `${page}.1.gz`))).toBe(true);
  for (const text of units) {
    for (const [, program = ""] of text.matchAll(/^ExecStart=([^ ]*)/gm)) {
      expect(["/usr/bin/dowel", "/usr/bin/systemctl"]).toContain(program);
    }
  }
});
