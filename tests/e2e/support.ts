// SPDX-License-Identifier: Apache-2.0
import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { isDowelError } from "../../src/base/errors.ts";
import { askStatus } from "../../src/session/service/status.ts";
import { mountPoint } from "../../src/store/shown.ts";
import { killIfThere } from "../support/kill.ts";
import { addImage } from "../support/layout.ts";

export const dowelPath = resolve("build/bin/dowel");

/** Ids of the ordinary user that tests run as; no account of that name is needed. */
export const ordinaryUser = 65_533;

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A home, a run folder and installations of its own, for root or for an ordinary user. */
export class Sandpit implements Disposable {
  readonly folder: string;
  readonly uid: number;
  readonly environment: Readonly<Record<string, string>>;

  constructor(uid = 0, environment: Readonly<Record<string, string>> = {}) {
    this.folder = mkdtempSync(join(tmpdir(), "dowel-e2e-"));
    this.uid = uid;
    chmodSync(this.folder, 0o755);
    for (const [name, mode] of [
      ["home", 0o755],
      ["run", 0o700],
      ["work", 0o755],
    ] as const) {
      mkdirSync(this.path(name), { mode });
      chownSync(this.path(name), uid, uid);
    }
    this.environment = {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: this.path("home"),
      USER: uid === 0 ? "root" : "tester",
      XDG_RUNTIME_DIR: this.path("run"),
      DOWEL_SYSTEM_DIR: this.path("system"),
      LANG: "C.UTF-8",
      ...environment,
    };
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  /** Runs the compiled program as this sandpit's user. */
  dowel(
    words: readonly string[],
    options: {
      readonly environment?: Record<string, string>;
      readonly cwd?: string;
      readonly input?: string;
      readonly name?: string;
    } = {},
  ): Outcome {
    const program = options.name === undefined ? dowelPath : join(resolve("build/bin"), options.name);
    const { status, stdout, stderr } = spawnSync(program, words, {
      env: { ...this.environment, ...options.environment },
      cwd: options.cwd ?? this.path("work"),
      input: options.input ?? "",
      encoding: "utf8",
      maxBuffer: 1 << 28,
      ...(this.uid === 0 ? {} : { uid: this.uid, gid: this.uid }),
    });
    return { status, stdout, stderr };
  }

  /** Runs the program and throws with all its words where it fails. */
  succeed(words: readonly string[], options: Parameters<Sandpit["dowel"]>[1] = {}): string {
    const { status, stdout, stderr } = this.dowel(words, options);
    if (status !== 0) throw new Error(`dowel ${words.join(" ")} ended with ${status}\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** Starts the compiled program as this sandpit's user, without waiting for it; `outcome` is there when it has ended. */
  start(
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): {
    readonly child: ChildProcessByStdio<null, Readable, Readable>;
    readonly outcome: Promise<Outcome>;
  } {
    const child = spawn(dowelPath, words, {
      env: { ...this.environment, ...environment },
      cwd: this.path("work"),
      stdio: ["ignore", "pipe", "pipe"],
      ...(this.uid === 0 ? {} : { uid: this.uid, gid: this.uid }),
    });
    const said = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said.stderr += text;
    });
    const outcome = new Promise<Outcome>((done) => child.once("close", (status) => done({ status, ...said })));
    return { child, outcome };
  }

  /** Gives a folder and all in it to this sandpit's user. */
  own(path: string): void {
    execFileSync("chown", ["-R", `${this.uid}:${this.uid}`, path]);
  }

  /** Ends the session service that a start may have brought up. */
  #endSession(): void {
    const socket = this.path("run/dowel/session.sock");
    if (!existsSync(socket)) return;
    try {
      // One that is killed would come back.
      killIfThere(askStatus(socket).pid, "SIGTERM");
    } catch (error) {
      if (!isDowelError(error, "SESSION_UNREACHABLE")) throw error;
    }
    rmSync(socket, { force: true });
  }

  [Symbol.dispose](): void {
    this.#endSession();
    for (const path of [this.path("home/.local/share/dowel"), this.path("system")]) unmountImages(path);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Detaches the composefs mounts of an installation that goes away. */
function unmountImages(installation: string): void {
  const folder = mountPoint(installation, "");
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) spawnSync("umount", ["-l", join(folder, name)]);
  rmSync(folder, { recursive: true, force: true });
}

const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
export const appRef = `app/org.example.Probe/${architecture}/stable`;
export const runtimeRef = `runtime/org.example.Platform/${architecture}/1`;
const runtimeMetadata = `[Runtime]\nname=org.example.Platform\nruntime=org.example.Platform/${architecture}/1\n`;

function appMetadata(context = ""): string {
  return `[Application]\nname=org.example.Probe\nruntime=org.example.Platform/${architecture}/1\ncommand=probe\n${context}`;
}

/** The static probe program. */
function probePath(): string {
  execFileSync("make", ["-s", "-C", "launcher", `OUT=${resolve("build/bin")}`, "probe"]);
  return resolve("build/bin/probe");
}

/** An OCI layout with a runtime of one static program and an app of the same, in the layouts `rootfs` and `flatpak`. */
export function makeLayout(
  folder: string,
  options: { readonly context?: string; readonly text?: string } = {},
): string {
  const layout = join(folder, "layout");
  const runtime = join(folder, "tree-runtime");
  const app = join(folder, "tree-app");
  for (const path of [
    join(runtime, "usr/bin"),
    join(runtime, "usr/etc"),
    join(app, "files/bin"),
    join(app, "files/share/applications"),
    join(app, "export/share/applications"),
  ]) {
    mkdirSync(path, { recursive: true });
  }
  copyFileSync(probePath(), join(runtime, "usr/bin/true"));
  writeFileSync(join(runtime, "usr/etc/motd"), "runtime's etc\n");
  copyFileSync(probePath(), join(app, "files/bin/probe"));
  writeFileSync(join(app, "files/share/text"), options.text ?? "one\n");
  writeFileSync(join(app, "metadata"), appMetadata(options.context));
  const desktop = "[Desktop Entry]\nType=Application\nName=Probe\nExec=probe %U\n";
  writeFileSync(join(app, "files/share/applications/org.example.Probe.desktop"), desktop);
  writeFileSync(join(app, "export/share/applications/org.example.Probe.desktop"), desktop);
  addImage(layout, { ref: runtimeRef, metadata: runtimeMetadata, tree: runtime });
  addImage(layout, { ref: appRef, metadata: appMetadata(options.context), tree: app });
  return layout;
}

/** The embedded registry as a process of its own, on a free port of loopback. */
export async function startRegistry(
  pit: Sandpit,
  folder: string,
): Promise<{ readonly address: string; stop(): Promise<void> }> {
  const child = spawn(dowelPath, ["registry", "serve", "--listen=127.0.0.1:0", "--json", folder], {
    stdio: ["ignore", "pipe", "inherit"],
    env: pit.environment,
  });
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  const address = await new Promise<string>((found, failed) => {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      const match = /"type":"registry\.listening","address":"http:\/\/([^"]+)"/.exec(text);
      if (match?.[1] !== undefined) found(match[1]);
    });
    void ended.then(() => failed(new Error("the registry ended before it listened")));
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  return { address, stop };
}
