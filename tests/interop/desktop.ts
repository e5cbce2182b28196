// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hostArch } from "../../src/base/arch.ts";
import { dowelPath, Sandpit } from "../e2e/support.ts";
import { Child, startBus, type TestBus } from "../support/bus.ts";
import { addImage, addLayers, sha256 } from "../support/layout.ts";
import { copyPrograms, type ProgramSource, thisMachine } from "./programs.ts";

/** dbus-daemon takes only users that have a name. */
const nobody = 65_534;
const runtime = `org.example.Tools/${hostArch()}/1`;

/** Words before a program that make it run as the user, with these variables alone. */
function asUser(variables: Readonly<Record<string, string>>): readonly string[] {
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", "env", "-i", ...settings];
}

/** An ordinary user with a session bus, and apps whose runtime is a few programs of this machine. */
export class Desktop implements AsyncDisposable {
  readonly pit: Sandpit;
  readonly bus: TestBus;
  readonly #children: Child[] = [];
  /** What programs of the session get besides, from now on. */
  readonly variables: Record<string, string> = {};

  private constructor(pit: Sandpit, bus: TestBus) {
    this.pit = pit;
    this.bus = bus;
  }

  /**
   * @param programs what the runtime holds besides `sdbus` (sdbus.c), as `copyPrograms` takes it
   * @param folders of `/usr` that it holds whole
   * @param source where both come from
   */
  static async start(
    programs: readonly string[],
    folders: readonly string[] = [],
    source: ProgramSource = thisMachine,
  ): Promise<Desktop> {
    const pit = new Sandpit(nobody);
    const tree = pit.path("images/runtime");
    mkdirSync(join(tree, "usr/etc"), { recursive: true });
    const client = pit.path("sdbus");
    execFileSync("gcc", ["-O2", "-Wall", "-Werror", "-o", client, "tests/interop/sdbus.c", "-lsystemd"]);
    copyPrograms(join(tree, "usr"), [...programs, client], source);
    for (const folder of folders)
      cpSync(join(source.root, "usr", folder), join(tree, "usr", folder), { recursive: true });
    const metadata = `[Runtime]\nname=org.example.Tools\nruntime=${runtime}\n`;
    const tar = execFileSync("tar", ["--sort=name", "--owner=0", "--group=0", "-cf", "-", "-C", tree, "."], {
      maxBuffer: 1 << 30,
    });
    // Not compressed: Qt brings 40 MB.
    const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar", data: tar, diffId: `sha256:${sha256(tar)}` };
    addLayers(pit.path("images/layout"), { ref: `runtime/${runtime}`, metadata }, [layer]);
    const path = `${dirname(dowelPath)}:${pit.environment["PATH"]}`;
    const variables = { ...pit.environment, PATH: path, DOWEL_REQUIRE_CGROUP: "no" };
    const services = "<servicedir>/home/.local/share/dowel/exports/share/dbus-1/services</servicedir>";
    const configuration = services.replace(">/", `>${pit.folder}/`);
    return new Desktop(pit, await startBus(pit.path("run"), configuration, asUser(variables)));
  }

  /** Installs an app; `groups` follow the first group of its metadata. */
  install(id: string, groups = "", files: Readonly<Record<string, string>> = {}, command = "sh"): void {
    const { pit } = this;
    const tree = pit.path("images", id);
    const metadata = `[Application]\nname=${id}\nruntime=${runtime}\ncommand=${command}\n${groups}`;
    for (const [path, content] of Object.entries({ ...files, metadata, "files/app": id })) {
      mkdirSync(join(tree, path, ".."), { recursive: true });
      writeFileSync(join(tree, path), content, { mode: path.includes("/bin/") ? 0o755 : 0o644 });
    }
    addImage(pit.path("images/layout"), { ref: `app/${id}/${hostArch()}/stable`, metadata, tree });
    for (const name of ["images", "home", "work", "run"]) pit.own(pit.path(name));
    pit.succeed(["install", "--user", "-y", `oci:${pit.path("images/layout")}`, id]);
  }

  /** Starts a program of this machine as the user, in their session. */
  host(
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    prefix: readonly string[] = [],
  ): Child {
    const { bus, pit } = this;
    const variables = { ...pit.environment, DBUS_SESSION_BUS_ADDRESS: bus.address, ...this.variables, ...environment };
    const child = new Child([...prefix, ...asUser(variables), ...words], ["ignore", "ignore", "ignore"]);
    this.#children.push(child);
    return child;
  }

  /** Starts a script in an app's sandbox. */
  run(id: string, script: string): ReturnType<Sandpit["start"]> {
    // The tests give control groups to another user alone.
    return this.pit.start(["run", "--no-require-cgroup", "--command=sh", id, "-c", script], this.variables);
  }

  /** What a script in an app's sandbox prints; throws where it fails. */
  async output(id: string, script: string): Promise<string> {
    const { status, stdout, stderr } = await this.run(id, script).outcome;
    if (status !== 0) throw new Error(`The script ended with ${status}: ${stdout}${stderr}`);
    return stdout;
  }

  /** What a program of this machine prints as the user, in their session; throws where it fails. */
  ask(words: readonly string[]): string {
    const [program = "", ...rest] = words;
    const env = { ...this.pit.environment, DBUS_SESSION_BUS_ADDRESS: this.bus.address };
    return execFileSync(program, rest, { env, uid: nobody, gid: nobody, encoding: "utf8" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) await child[Symbol.asyncDispose]();
    await this.bus[Symbol.asyncDispose]();
    this.pit[Symbol.dispose]();
  }
}
