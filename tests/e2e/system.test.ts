// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { FaultProxy } from "../engine/proxy.ts";
import { mayAll, mayNothing, mayUpdate } from "../support/systembus.ts";
import { until } from "../support/until.ts";
import { eventsOf, Served } from "./served.ts";
import { appRef, makeLayout, runtimeRef, Sandpit, startRegistry } from "./support.ts";

const id = "org.example.Probe";
let served: Served;
let registry: Awaited<ReturnType<typeof startRegistry>>;
let namespace = "";

function push(version: string): void {
  const layout = makeLayout(served.host.path(version), { text: `${version}\n` });
  served.host.succeed(["push", `oci:${layout}`, namespace]);
}

beforeAll(async () => {
  served = await Served.start();
  registry = await startRegistry(served.host, served.host.path("registry"));
  namespace = `oci+http://${registry.address}/apps`;
  push("one");
});

afterAll(async () => {
  await registry.stop();
  await served[Symbol.asyncDispose]();
});

describe("an ordinary user who may", () => {
  let pit: Sandpit;
  beforeAll(() => {
    pit = served.user(mayAll);
  });

  test("adds a remote and installs, with the output of root's own transaction", async () => {
    using root = new Sandpit();
    for (const one of [root, pit]) one.succeed(["remote-add", "--system", "--verify=none", "apps", namespace]);
    const words = ["install", "--system", "--json", "apps", id];
    const [direct, through] = [root.dowel(words), pit.dowel(words)];
    expect({ status: through.status, stderr: through.stderr }).toEqual({ status: 0, stderr: "" });
    expect(eventsOf(through)).toEqual(eventsOf(direct));
    const shown = pit.succeed(["list", "--system", "--columns=ref,origin,installation"]);
    expect(shown).toBe(`${runtimeRef}\tapps\tsystem\n${appRef}\tapps\tsystem\n`);
    expect(JSON.parse(pit.succeed(["run", "--no-require-cgroup", id, "id"]))).toMatchObject({ uid: mayAll });
    const again = ["install", "--system", "-y", "apps", id];
    expect(pit.dowel(again)).toEqual(root.dowel(again));
  });

  test("is asked before, and nothing is done where nobody answers", () => {
    const { status, stderr } = pit.dowel(["uninstall", "--system", id]);
    expect(status).toBe(1);
    expect(stderr).toContain("Nothing was changed [ABORTED]");
    expect(pit.succeed(["list", "--system", "--app", "--columns=application"])).toBe(`${id}\n`);
  });

  test("updates, goes back, and configures", () => {
    push("two");
    const text = served.host.path("system/app", appRef.slice(4), "active/files/share/text");
    expect(readFileSync(text, "utf8")).toBe("one\n");
    pit.succeed(["update", "--system", "-y"]);
    expect(readFileSync(text, "utf8")).toBe("two\n");
    expect(pit.dowel(["update", "--system", "-y"]).stderr).toContain("Nothing to do.");
    pit.succeed(["rollback", "--system", "-y", id]);
    expect(readFileSync(text, "utf8")).toBe("one\n");
    pit.succeed(["update", "--system", "-y", id]);
    pit.succeed(["config", "--system", "languages", "de;en"]);
    expect(pit.succeed(["config", "--system", "languages"])).toBe("de;en\n");
    pit.succeed(["mask", "--system", id]);
    expect(pit.succeed(["mask", "--system"])).toContain(id);
    pit.succeed(["mask", "--system", "--remove", id]);
    pit.succeed(["make-current", "--system", id, "stable"]);
    pit.succeed(["remote-modify", "--system", "--title=All apps", "apps"]);
    expect(pit.succeed(["remotes", "--system", "--columns=name,title"])).toBe("apps\tAll apps\n");
    expect(pit.dowel(["update", "--system", "--appstream", "apps"]).stderr).toContain("AppStream data of apps");
    const used = pit.dowel(["remote-delete", "--system", "apps"]);
    expect(used.stderr).toContain("[REMOTE_USED]\nhint: Uninstall them first, or use --force.");
  });

  test("erases only the data of the app that it kept itself", () => {
    const roots = served.host.path("home/.var/app", id);
    const own = pit.path("home/.var/app", id);
    for (const folder of [roots, own]) mkdirSync(folder, { recursive: true });
    pit.own(pit.path("home/.var"));
    pit.succeed(["uninstall", "--system", "-y", "--delete-data", id]);
    expect([existsSync(own), existsSync(roots)]).toEqual([false, true]);
    expect(pit.succeed(["list", "--system", "--app"])).toBe("");
  });
});

describe("a user whom polkit does not permit it", () => {
  test("is refused with the action's name, and updates where that is allowed", () => {
    const [all, some, nobody] = [served.user(mayAll), served.user(mayUpdate), served.user(mayNothing)];
    for (const pit of [some, nobody]) {
      const { status, stderr } = pit.dowel(["install", "--system", "-y", "apps", id]);
      expect(status).toBe(1);
      expect(stderr).toContain("[NOT_PERMITTED]\nhint: The polkit action is org.freedesktop.Flatpak.app-install.");
    }
    expect(some.succeed(["list", "--system", "--app"])).toBe("");
    all.succeed(["install", "--system", "-y", "apps", id]);
    push("three");
    expect(nobody.dowel(["update", "--system", "-y"]).stderr).toContain("polkit does not permit it [NOT_PERMITTED]");
    some.succeed(["update", "--system", "-y", "--noninteractive"]);
    for (const [words, action] of [
      [["rollback", "-y", id], "app-downgrade"],
      [["uninstall", "-y", id], "app-uninstall"],
      [["remote-modify", "--title=x", "apps"], "configure-remote"],
      [["pin", "org.example.Platform"], "configure"],
    ] as const) {
      expect(some.dowel([...words, "--system"]).stderr).toContain(
        `The polkit action is org.freedesktop.Flatpak.${action}.`,
      );
    }
    all.succeed(["uninstall", "--system", "-y", id]);
  });

  test("is told as before where there is no service", () => {
    const pit = new Sandpit(mayAll, { DBUS_SYSTEM_BUS_ADDRESS: "unix:path=/nonexistent/bus" });
    using _pit = pit;
    const { status, stderr } = pit.dowel(["install", "--system", "-y", "apps", id]);
    expect(status).toBe(1);
    expect(stderr).toContain("[NOT_PERMITTED]\nhint: Run it as root, or use --user.");
  });

  test("is told where it means another installation than the service", () => {
    const { DBUS_SYSTEM_BUS_ADDRESS = "" } = served.host.environment;
    using other = new Sandpit(mayAll, { DBUS_SYSTEM_BUS_ADDRESS, DOWEL_SYSTEM_DIR: "/var/lib/dowel-of-nobody" });
    const { stderr } = other.dowel(["config", "--system", "languages", "fr"]);
    expect(stderr).toContain("/var/lib/dowel-of-nobody is not an installation that the system service changes");
  });
});

describe("what goes on for long", () => {
  let proxy: FaultProxy;
  /** What the service alone asks for, as the client reads manifests and configs; pushed anew for each test. */
  let layers: readonly string[] = [];
  let versions = 0;
  const isLayer = ({ path }: { readonly path: string }): boolean => layers.some((digest) => path.endsWith(digest));

  async function layersOf(repository: string, tag: string): Promise<readonly string[]> {
    const accept = "application/vnd.oci.image.manifest.v1+json";
    const address = `http://${registry.address}/v2/apps/${repository}/manifests/${tag}`;
    const manifest = (await (await fetch(address, { headers: { accept } })).json()) as {
      readonly layers: readonly { readonly digest: string }[];
    };
    return manifest.layers.map(({ digest }) => digest);
  }

  beforeAll(async () => {
    proxy = await FaultProxy.start(`http://${registry.address}`);
    served
      .user(mayAll)
      .succeed(["remote-modify", "--system", "--verify=none", `--url=oci+http://${proxy.host}/apps`, "apps"]);
  });
  afterAll(async () => await proxy[Symbol.asyncDispose]());

  /** An install that waits for a layer that does not come. */
  async function begin(pit: Sandpit) {
    pit.dowel(["uninstall", "--system", "-y", "--all"]);
    push(`held-${++versions}`);
    layers = await layersOf("org.example.probe", "stable");
    proxy.requests.length = 0;
    proxy.fault = (request) => (isLayer(request) ? { stallAfter: 0 } : undefined);
    const started = pit.start(["install", "--system", "-y", "--noninteractive", "apps", id]);
    const ended = started.outcome.then(({ stderr }) => {
      throw new Error(`The install ended: ${stderr}`);
    });
    await Promise.race([ended, until("the service fetches a layer", () => proxy.requests.some(isLayer))]);
    ended.catch(() => undefined);
    return started;
  }

  test("is cancelled by who asked for it, and the next one gets its turn", async () => {
    const pit = served.user(mayAll);
    const { child, outcome } = await begin(pit);
    const next = pit.start(["config", "--system", "languages", "fr"]);
    child.kill("SIGINT");
    const { status, stderr } = await outcome;
    expect(status).toBe(1);
    expect(stderr).toContain("[ABORTED]");
    expect(await next.outcome).toMatchObject({ status: 0 });
    expect(pit.succeed(["list", "--system", "--app"])).toBe("");
  });

  test("ends when who asked for it is gone", async () => {
    const pit = served.user(mayAll);
    const { child, outcome } = await begin(pit);
    child.kill("SIGKILL");
    await outcome;
    proxy.fault = () => undefined;
    expect(await pit.start(["install", "--system", "-y", "apps", id]).outcome).toMatchObject({ status: 0 });
  });

  test("leaves the old state where the service is killed, and goes on when it is back", async () => {
    const pit = served.user(mayAll);
    const { outcome } = await begin(pit);
    await served.service[Symbol.asyncDispose]();
    const { status, stderr } = await outcome;
    expect(status).toBe(1);
    expect(stderr).toContain("The system service ended before it had answered [SYSTEM_UNREACHABLE]");
    expect(pit.succeed(["list", "--system", "--app"])).toBe("");
    served.host.succeed(["repair", "--system"]);
    await served.startService();
    proxy.fault = () => undefined;
    expect(await pit.start(["install", "--system", "-y", "apps", id]).outcome).toMatchObject({ status: 0 });
  });

  test("is the service's own end where nothing goes on", async () => {
    await served.service[Symbol.asyncDispose]();
    const service = await served.startService(["--linger=1"]);
    await service.exit;
    expect(service.process.exitCode).toBe(0);
  });
});
