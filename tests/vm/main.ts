// SPDX-License-Identifier: Apache-2.0
// Boots Debian under software emulation and runs tests/vm/guest in it, or those of its files that are named by their numbers;
// the last line is `N passed, N failed`.
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { version } from "../../src/base/version.ts";
import { makeLayout } from "../e2e/support.ts";
import { type Machine, makeDisk, prepareMachine } from "./image.ts";

/** Software emulation is some ten times slower than the machine itself: five minutes where that is idle. */
const minutes = 30;

/** What the machine gets to see: the program, two versions of an app with its runtime, and the tests. */
function makeTestDisk(folder: string, only: readonly string[]): string {
  const content = join(folder, "content");
  mkdirSync(content);
  const made = execFileSync(resolve("packaging/deb.sh"), ["build", version, folder, "zstd"], { encoding: "utf8" });
  renameSync(made.trim(), join(content, "dowel.deb"));
  cpSync(resolve("tests/vm/guest"), join(content, "guest"), { recursive: true });
  const files = readdirSync(resolve("tests/vm/guest")).filter((name) => /^[0-9]/.test(name));
  const chosen = files.filter((name) => only.length === 0 || only.includes(name.split("-", 1)[0] ?? ""));
  writeFileSync(join(content, "guest/files"), `${chosen.sort().join("\n")}\n`);
  mkdirSync(join(content, "tools"));
  execFileSync("gcc", ["-O2", "-static", "-o", join(content, "tools/bus-peer"), "bench/bus-peer.c"]);
  for (const [name, text] of [
    ["one", "one\n".repeat(100)],
    ["two", "two\n".repeat(100)],
  ] as const) {
    mkdirSync(join(folder, name));
    cpSync(makeLayout(join(folder, name), { text }), join(content, name), { recursive: true });
  }
  const disk = join(folder, "tests.img");
  makeDisk(disk, content, "1G");
  return disk;
}

async function boot({ disk, kernel, initrd }: Machine, tests: string, folder: string): Promise<string> {
  const results = join(folder, "results");
  writeFileSync(results, "");
  const drive = (file: string, options: string): string[] => ["-drive", `file=${file},if=virtio,format=raw,${options}`];
  const words = [
    // QEMU 7.2 now and then leaves wrong flags behind CMPXCHG16B, at which the kernel panics; without it nothing uses it.
    ...["-accel", "tcg,thread=multi", "-cpu", "max,cx16=off,la57=off", "-smp", "2", "-m", "2G"],
    ...["-nodefaults", "-no-reboot"],
    ...["-display", "none", "-kernel", kernel, "-initrd", initrd, "-nic", "none"],
    ...["-append", "root=/dev/vda rw console=ttyS0 panic=-1 quiet systemd.show_status=0 loglevel=3 mitigations=off"],
    ...[...drive(disk, "snapshot=on"), ...drive(tests, "readonly=on")],
    ...["-serial", `file:${join(folder, "console")}`, "-serial", `file:${results}`],
  ];
  const child = spawn("qemu-system-x86_64", words, { stdio: ["ignore", "inherit", "inherit"] });
  const tooLong = setTimeout(() => child.kill("SIGKILL"), minutes * 60_000);
  const code = await new Promise<number | null>((done, failed) => child.once("error", failed).once("exit", done));
  clearTimeout(tooLong);
  const text = readFileSync(results, "latin1").replaceAll("\r", "");
  if (code === 0 && text.includes("\n1..")) return text;
  process.stdout.write(readFileSync(join(folder, "console"), "latin1"));
  return `${text}\nnot ok - the machine came to its end within ${minutes} minutes\n`;
}

async function main(): Promise<number> {
  const start = performance.now();
  const seconds = (): string => `${((performance.now() - start) / 1000).toFixed(0)} s`;
  const machine = prepareMachine(resolve("build/vm"));
  const folder = mkdtempSync(join(tmpdir(), "dowel-vm-"));
  try {
    const tests = makeTestDisk(folder, process.argv.slice(2));
    process.stdout.write(`The machine boots after ${seconds()}\n`);
    const text = await boot(machine, tests, folder);
    process.stdout.write(text);
    const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
    const [passed, failed] = [count(/^ok /gm), count(/^not ok /gm)];
    process.stdout.write(`Ended after ${seconds()}\n${passed} passed, ${failed} failed\n`);
    return failed === 0 && passed > 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
