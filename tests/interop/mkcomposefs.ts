// SPDX-License-Identifier: Apache-2.0
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

/** Runs a program of the composefs tools; gives its standard output. */
export type ComposefsTools = (
  program: "mkcomposefs" | "composefs-info",
  options: readonly string[],
  input?: string,
) => Uint8Array;

const cache = "/var/cache/dowel-tests/composefs-tools";

/** The composefs tools of this machine, or those of Debian unstable, unpacked aside; else why there are none. */
export async function findComposefsTools(): Promise<ComposefsTools | string> {
  if (spawnSync("mkcomposefs", ["--help"]).error === undefined) return (program, ...rest) => run([program], ...rest);
  if (!existsSync(cache)) {
    const problem = await unpackPackages("sid", ["composefs"], cache);
    if (problem !== undefined) return problem;
  }
  const triple = readdirSync(join(cache, "usr/lib")).find((name) => name.endsWith("-linux-gnu")) ?? "";
  const libraries = join(cache, "usr/lib", triple);
  const loader = readdirSync(libraries).find((name) => /^ld-linux.*\.so\.\d+$/.test(name));
  if (loader === undefined) return `${cache} has no dynamic loader`;
  const start = [join(libraries, loader), "--library-path", libraries];
  return (program, ...rest) => run([...start, join(cache, "usr/bin", program)], ...rest);
}

function run([program = "", ...start]: readonly string[], options: readonly string[], input = ""): Uint8Array {
  const { status, stdout, stderr, error } = spawnSync(program, [...start, ...options], { input, maxBuffer: 1 << 28 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${options.join(" ")}: ${stderr.toString()}`);
  return stdout;
}

/** Unpacks packages of a Debian suite and what they need into `folder`; returns why it could not be done. */
export async function unpackPackages(
  suite: string,
  packages: readonly string[],
  folder: string,
  finish: (tree: string) => void = () => undefined,
): Promise<string | undefined> {
  const aside = `${folder}.${process.pid}`;
  // The index of an unstable suite expires within days, and the clock of a test machine may be behind or ahead.
  const options = [
    "--quiet",
    "--variant=extract",
    `--include=${packages.join(",")}`,
    '--aptopt=Acquire::Check-Valid-Until "false"',
  ];
  try {
    mkdirSync(aside, { recursive: true });
    await promisify(execFile)("mmdebstrap", [...options, suite, aside], { timeout: 300_000 });
    finish(aside);
    renameSync(aside, folder);
    return undefined;
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    // Another test may have been faster with the same tree.
    if (existsSync(folder)) return undefined;
    return error instanceof Error ? (error.message.split("\n").at(-2) ?? error.message) : String(error);
  }
}
