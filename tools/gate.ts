// SPDX-License-Identifier: Apache-2.0
// Runs every check and every test and counts them; the last line is `N passed, N failed`.
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { checkSizes } from "./sizes.ts";

interface Count {
  readonly passed: number;
  readonly failed: number;
  /** What is worth reading again at the end, where a log may be cut. */
  readonly report?: string;
}

interface Step {
  readonly name: string;
  readonly run: () => Promise<Count>;
}

const bun = process.execPath;

/** How long processes may outlive the step that started them before that counts as a failure. */
const leftoverMilliseconds = 10_000;

/** Lines before a failure that are shown once more at the end. */
const reportLines = 40;

async function execute(
  words: readonly string[],
  show: boolean,
): Promise<{ readonly code: number; readonly output: string }> {
  const [program = "", ...args] = words;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      output += text;
      if (show) process.stdout.write(text);
    });
  }
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status) => resolve(status ?? 1));
  });
  const left = await Promise.race([closed.then(() => false), sleep(leftoverMilliseconds, true, { ref: false })]);
  if (!left) return { code, output };
  process.stdout.write("A process that was started here still runs and holds the output\n");
  child.stdout.destroy();
  child.stderr.destroy();
  return { code: code === 0 ? 1 : code, output };
}

/** A check that counts as one test. */
function check(name: string, words: readonly string[]): Step {
  return {
    name,
    run: async () => {
      const { code, output } = await execute(words, false);
      if (code !== 0) process.stdout.write(output);
      return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1, report: output };
    },
  };
}

function number(output: string, word: string): number {
  return Number(new RegExp(`^\\s*(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
}

/** What the test runner printed between the last passed test and a failed one: the failure with its place. */
function failures(output: string): string {
  const lines = output.split("\n");
  const shown: string[] = [];
  let since = 0;
  for (const [index, line] of lines.entries()) {
    if (line.startsWith("(pass)")) since = index + 1;
    if (!line.startsWith("(fail)")) continue;
    shown.push(...lines.slice(Math.max(since, index - reportLines), index + 1));
    since = index + 1;
  }
  return shown.join("\n");
}

/** Test files, in one process of the test runner; a runner that fails without a failed test counts as one. */
function tests(name: string, paths: readonly string[]): Step {
  return {
    name,
    run: async () => {
      const { code, output } = await execute([bun, "test", "--timeout=300000", ...paths], true);
      const passed = number(output, "pass");
      const failed = number(output, "fail");
      if (code === 0) return { passed, failed };
      const report = failed > 0 ? failures(output) : output.split("\n").slice(-reportLines).join("\n");
      return { passed, failed: Math.max(failed, 1), report };
    },
  };
}

const checks: readonly Step[] = [
  check("types", [bun, "--bun", "node_modules/typescript-native/bin/tsc", "-p", "."]),
  check("lint and format", ["node_modules/.bin/biome", "check", "--error-on-warnings", "."]),
  check("import directions", [bun, "--bun", "node_modules/.bin/depcruise", "src", "tests", "tools", "bench"]),
  check("unused code", [bun, "--bun", "node_modules/.bin/knip"]),
  { name: "file sizes and licences", run: async () => checkSizes(process.stdout) },
];

/** Tests that start servers, mounts or whole builds come after those of single rooms. */
const lateFolders = ["e2e", "interop", "hostile"];

function testSteps(): Step[] {
  const folders = readdirSync("tests", { withFileTypes: true })
    .filter(
      (entry) =>
        entry.isDirectory() &&
        readdirSync(join("tests", entry.name), { recursive: true }).some((name) => String(name).endsWith(".test.ts")),
    )
    .map((entry) => entry.name);
  const early = folders.filter((name) => !lateFolders.includes(name)).sort();
  const late = lateFolders.filter((name) => folders.includes(name));
  return [...early, ...late].map((name) => tests(`tests/${name}`, [`./tests/${name}`]));
}

function chooseSteps(words: readonly string[]): readonly Step[] {
  if (words[0] === "check") return checks;
  if (words[0] !== "all") return [tests(words.join(" "), words)];
  const targets = ["all", "probe", "sanitize", "analyze"];
  const launcher = check("launcher: warnings, analysis, sanitizers", [
    ...["make", "-s", "-C", "launcher", `OUT=${process.cwd()}/build/check`],
    ...targets,
  ]);
  return [...checks, launcher, ...testSteps()];
}

async function main(words: readonly string[]): Promise<number> {
  let passed = 0;
  let failed = 0;
  const broken: string[] = [];
  for (const step of chooseSteps(words)) {
    process.stdout.write(`--- ${step.name}\n`);
    const start = performance.now();
    const count = await step.run();
    passed += count.passed;
    failed += count.failed;
    if (count.failed > 0) broken.push(`failed: ${step.name}\n${count.report ?? ""}\n`);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    process.stdout.write(`--- ${step.name}: ${count.passed} passed, ${count.failed} failed in ${seconds} s\n`);
  }
  for (const report of broken) process.stdout.write(report);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

if (!existsSync("package.json")) throw new Error("Run this through ./dev");
process.exit(await main(process.argv.slice(2)));
