// SPDX-License-Identifier: Apache-2.0
// What Dowel builds runs under podman as it is, and what podman builds of a Containerfile is an app of Dowel.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Outcome, runtimeRef, Sandpit, startRegistry } from "../e2e/support.ts";
import { baseRef, makeBase } from "./programs.ts";

const arch = runtimeRef.split("/")[2] ?? "";
const id = "org.example.Hello";
const manifest = `id: ${id}
branch: stable
runtime: org.example.Base
runtime-version: "1"
sdk: org.example.Base
command: hello
finish-args: [--env=GREETING=hello]
modules:
  - name: hello
    buildsystem: simple
    build-commands: [install -D -m 755 hello.sh /app/bin/hello, mkdir -p /app/share, echo built > /app/share/data]
    sources:
      - type: inline
        dest-filename: hello.sh
        contents: |
          #!/bin/sh
          cat /app/share/data
          echo "$GREETING $PATH $1"
`;

const pit = new Sandpit();
const images = ["root", "runroot"].flatMap((name) => [`--${name}`, pit.path("podman", name)]);
const quiet = ["--cgroup-manager", "cgroupfs", "--events-backend", "none", "--storage-driver", "vfs"];

/**
 * Podman with folders of its own. In a mount namespace, where the control groups look as crun wants them also on machines
 * that have both versions; the containers get none.
 */
function podman(...words: readonly string[]): Outcome {
  const script = 'mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null; exec podman "$@"';
  const all = [...images, "--tmpdir", pit.path("podman/tmp"), ...quiet, ...words];
  const start = ["--mount", "--propagation", "private", "sh", "-c", script, "podman", ...all];
  const { status, stdout, stderr } = spawnSync("unshare", start, { encoding: "utf8", env: pit.environment });
  return { status, stdout, stderr };
}

/**
 * Runs a container; its words are taken from the log, which is whole when podman ends. What podman itself passes on may end
 * before the container does.
 */
function container(...words: readonly string[]): Outcome {
  const log = pit.path("log");
  rmSync(log, { force: true });
  const plain = ["run", "--rm", "--cgroups=disabled", "--network=none", "--tls-verify=false"];
  const outcome = podman(...plain, "--log-driver=k8s-file", "--log-opt", `path=${log}`, ...words);
  const lines = existsSync(log) ? readFileSync(log, "utf8").split("\n") : [];
  const said = (stream: string) =>
    lines.flatMap((line) => new RegExp(`^\\S+ ${stream} F (.*)$`).exec(line)?.[1] ?? []).map((line) => `${line}\n`);
  return { status: outcome.status, stdout: said("stdout").join(""), stderr: outcome.stderr };
}

/** Why no container can be started here; undefined where one can. */
function whyNot(): string | undefined {
  const context = pit.path("trial");
  mkdirSync(context);
  writeFileSync(join(context, "trial.c"), "int main(void) { return 7; }\n");
  spawnSync("gcc", ["-static", "-o", join(context, "trial"), join(context, "trial.c")]);
  writeFileSync(join(context, "Containerfile"), "FROM scratch\nCOPY trial /trial\n");
  podman("build", "--isolation", "chroot", "-t", "trial", context);
  const { status, stderr } = container("localhost/trial", "/trial");
  return status === 7 ? undefined : stderr.trim();
}

const problem = whyNot();
let registry: Awaited<ReturnType<typeof startRegistry>>;
let host = "";

beforeAll(async () => {
  await makeBase(pit.path("layout"), undefined, "container");
  registry = await startRegistry(pit, pit.path("registry"));
  host = registry.address;
  pit.succeed(["install", "--user", "-y", `oci:${pit.path("layout")}`]);
  pit.succeed(["push", `oci:${pit.path("layout")}`, `oci+http://${host}/apps`]);
});
afterAll(async () => {
  await registry.stop();
  pit[Symbol.dispose]();
});

describe.skipIf(problem !== undefined)(`podman (${problem ?? "at hand"})`, () => {
  const base = () => `${host}/apps/${baseRef.split("/")[1]?.toLowerCase()}:1`;

  test("runs a runtime, whose root is whole", () => {
    const script = "echo of > /tmp/a && echo a > /etc/b && /bin/cat /tmp/a /etc/b /proc/self/comm && id -u";
    const shell = container(base(), "sh", "-c", script);
    expect(shell).toMatchObject({ status: 0, stdout: "of\na\ncat\n0\n" });
    const user = container("--user=1000:1000", base(), "sh", "-c", "echo mine > /tmp/a && cat /tmp/a");
    expect(user).toMatchObject({ status: 0, stdout: "mine\n" });
  });

  test("runs an app with its runtime below it, which Dowel installs and runs as well", () => {
    writeFileSync(pit.path("work/app.yml"), manifest);
    const to = `oci+http://${host}/apps`;
    pit.succeed(["build", "app.yml", "--layout=container", "--output=oci:built", `--push=${to}`]);
    const { stdout } = container(`${host}/apps/${id.toLowerCase()}:stable`, "there");
    expect(stdout).toBe("built\nhello /app/bin:/usr/bin there\n");
    pit.succeed(["install", "--user", "-y", to, id]);
    expect(pit.succeed(["run", id, "here"])).toBe("built\nhello /app/bin:/usr/bin here\n");
    const shown = readFileSync(pit.path("work/built/index.json"), "utf8");
    expect(JSON.parse(shown).manifests).toHaveLength(3);
  });

  test("builds the app of the example of a Containerfile, which runs in both", () => {
    const context = pit.path("example");
    cpSync(resolve("examples/containerfile"), context, { recursive: true });
    const metadata = readFileSync(join(context, "metadata"), "utf8")
      .replace(/^runtime=.*$/m, `runtime=${baseRef.slice("runtime/".length)}`)
      .replace(/^sdk=.*\n/m, "");
    const name = `${host}/apps/org.example.contained:stable`;
    const built = podman(
      ...["build", "--tls-verify=false", "--isolation", "chroot", "-t", name, "--build-arg", `RUNTIME=${base()}`],
      ...["--build-arg", `ARCH=${arch}`, "--label", `org.flatpak.metadata=${metadata}`, context],
    );
    expect({ status: built.status, stderr: built.stderr }).toMatchObject({ status: 0 });
    expect(container(name)).toMatchObject({ status: 0, stdout: "Hello from a container\n" });
    expect(podman("push", "--tls-verify=false", name)).toMatchObject({ status: 0 });
    pit.succeed(["install", "--user", "-y", `docker://${name}`]);
    expect(pit.succeed(["run", "org.example.Contained"])).toBe("Hello from org.example.Contained\n");
    const exported = "home/.local/share/dowel/exports/share/applications/org.example.Contained.desktop";
    expect(readFileSync(pit.path(exported), "utf8")).toContain("run");
  });
});
