// SPDX-License-Identifier: Apache-2.0
// The main job with its real output: a runtime and an app from their manifests, through a registry, into a sandbox.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

const dowel = resolve("build/bin/dowel");
/** Kept between runs: packages, module results and images. */
const state = resolve("build/demo/state");
/** Made anew by every run: registry, installation, the app's data. */
const scratch = resolve("build/demo/scratch");
const registryFolder = join(scratch, "registry");
const appId = "org.dowel.Probe";

const environment = {
  ...process.env,
  DOWEL_USER_DIR: join(scratch, "installation"),
  XDG_RUNTIME_DIR: join(scratch, "run"),
};

function title(text: string): void {
  process.stdout.write(`\n\u001b[1m==> ${text}\u001b[0m\n`);
}

/** Runs the program, shown as a person would type it; ends the demo where it fails. */
function run(...words: string[]): void {
  process.stdout.write(`\u001b[2m$ dowel ${words.join(" ")}\u001b[0m\n`);
  const { status } = spawnSync(dowel, words, { stdio: "inherit", env: environment });
  if (status !== 0) throw new Error(`dowel ${words[0]} ended with ${status}`);
}

/** Starts the registry on a free port and resolves when it listens. */
async function startRegistry(): Promise<{ readonly address: string; stop(): Promise<void> }> {
  const child = spawn(dowel, ["registry", "serve", "--listen=127.0.0.1:0", "--json", registryFolder], {
    stdio: ["ignore", "pipe", "inherit"],
    env: environment,
  });
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  const address = await new Promise<string>((found, failed) => {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      const match = /"type":"registry\.listening","address":"http:\/\/([^"]+)"/.exec(text);
      if (match?.[1] !== undefined) found(match[1]);
    });
    void ended.then(() => failed(new Error(`the registry ended before it listened: ${text}`)));
  });
  return {
    address,
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function main(): Promise<void> {
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(registryFolder, { recursive: true });
  mkdirSync(environment.XDG_RUNTIME_DIR, { mode: 0o700 });
  mkdirSync(state, { recursive: true });

  title("Build a runtime and an Sdk from Debian packages (kept for the next time)");
  run(
    "build",
    "examples/debian-12.yml",
    `--state-dir=${join(state, "runtime")}`,
    `--output=oci:${join(state, "runtime-images")}`,
  );

  const registry = await startRegistry();
  try {
    const namespace = `oci+http://${registry.address}/demo`;
    title("Push both to a registry (the embedded one, on loopback)");
    run("push", `oci:${join(state, "runtime-images")}`, namespace);

    title("Add it as a remote and install the Sdk from it");
    run("remote-add", "--user", "demo", namespace);
    run("install", "--user", "-y", "demo", "org.debian.Sdk//12");

    title("Build a C program inside that Sdk, in a sandbox, and push it");
    run(
      "build",
      "examples/org.dowel.Probe/org.dowel.Probe.yml",
      "--user",
      `--state-dir=${join(state, "app")}`,
      `--push=${namespace}`,
    );

    title("Install the app from the registry; its runtime comes with it");
    run("install", "--user", "-y", "demo", appId);
    run("list");

    title("Run it: what does it reach from inside?");
    run("run", appId);
  } finally {
    await registry.stop();
  }

  title("How to go on");
  process.stdout.write(
    [
      "  build/bin/dowel --help                       every command",
      "  examples/org.dowel.Probe/                    the app's manifest and source: a place to start from",
      "  examples/debian-12.yml                       the runtime's recipe: add the packages you need",
      `  DOWEL_USER_DIR=${environment.DOWEL_USER_DIR} build/bin/dowel run --share=network ${appId}`,
      "                                               the same app with the host's network",
      "  ./dev test                                   everything that the gate holds",
      "",
    ].join("\n"),
  );
}

await main();
