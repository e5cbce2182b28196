// SPDX-License-Identifier: Apache-2.0
// Media in the library of an app that runs: they come and go as the host mounts them, and one is not another.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import type { BusPeer } from "../../src/dbus/peer.ts";
import { AppClient, instancesIn } from "../support/appclient.ts";
import { startBus, type TestBus } from "../support/bus.ts";
import { until } from "../support/until.ts";
import { makeLayout, Sandpit } from "./support.ts";

const id = "org.example.Probe";
const library = {
  destination: "org.freedesktop.portal.Desktop",
  path: "/org/freedesktop/portal/desktop",
  interface: "org.dowel.portal.Library",
} as const;
const hasLoop = spawnSync("losetup", ["--find"]).status === 0;
const reason = hasLoop ? "" : " (skipped: this machine has no loop devices)";

describe.skipIf(!hasLoop)(`a medium${reason}`, () => {
  const pit = new Sandpit();
  const stick = pit.path("work/stick");
  const client = new AppClient();
  let bus: TestBus;
  let app: BusPeer;
  let running: ReturnType<Sandpit["start"]>;
  let number = "";
  /** What the app was told, in order. */
  const news: string[] = [];

  async function makeImage(name: string): Promise<void> {
    writeFileSync(pit.path(name), "");
    truncateSync(pit.path(name), 4 << 20);
    execFileSync("mkfs.ext4", ["-q", "-F", pit.path(name)]);
    plug(name);
    mkdirSync(`${stick}/Photos`);
    writeFileSync(`${stick}/Photos/one`, name);
    await unplug();
  }

  function plug(name: string): void {
    execFileSync("mount", ["-o", "loop", pit.path(name), stick]);
  }

  /** As often as it takes: who looks at a medium just now keeps it busy for that moment. */
  async function unmount(path: string): Promise<void> {
    await until(`${path} is not busy`, () => {
      const { status, stderr } = spawnSync("umount", [path], { encoding: "utf8" });
      if (status !== 0 && !stderr.includes("busy")) throw new Error(stderr);
      return status === 0;
    });
  }
  const unplug = () => unmount(stick);

  /** What a sandbox sees of the picture. */
  function look(words: readonly string[] = ["enter", number, "/app/bin/probe"]): unknown {
    const { content } = JSON.parse(pit.succeed([...words, "files", "/run/flatpak/library/Photos/one"]));
    return content;
  }
  const start = () => look(["run", id]);

  function listed(): unknown {
    return JSON.parse(pit.succeed(["library", "list", "--json", id]));
  }

  async function isTold(text: string): Promise<void> {
    await until(text, () => news.at(-1) === text);
  }

  beforeAll(async () => {
    makeLayout(pit.path("images"));
    mkdirSync(stick);
    bus = await startBus(pit.path("run"));
    pit.succeed(["install", "--user", "-y", `oci:${pit.path("images/layout")}`, id]);
    for (const name of ["blue", "red"]) await makeImage(name);
    plug("blue");
    pit.succeed(["library", "add", id, `${stick}/Photos`]);
    running = pit.start(["run", id, "wait"], { DBUS_SESSION_BUS_ADDRESS: bus.address });
    await once(running.child.stdout, "data");
    [number = ""] = instancesIn(pit.path("run"));
    app = await client.connect(pit.path("run/.flatpak", number));
    await app.listen({ interface: library.interface }, ({ member, values }) => {
      const [found] = values as readonly [string | ReadonlyMap<string, { readonly value: unknown }>];
      const fields = typeof found === "string" ? [found] : ["name", "available"].map((key) => found.get(key)?.value);
      news.push([member, ...fields].join(" "));
    });
    await app.call({ ...library, member: "List", returns: "aa{sv}" });
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    running.child.kill("SIGTERM");
    await running.outcome;
    spawnSync("umount", ["-l", stick]);
    await bus[Symbol.asyncDispose]();
    pit[Symbol.dispose]();
  });

  test("is known by its file system, and shown from the start where it is there", () => {
    expect(look()).toBe("blue");
    const uuid = execFileSync("blkid", ["-s", "UUID", "-o", "value", pit.path("blue")], { encoding: "utf8" }).trim();
    expect(listed()).toMatchObject([{ name: "Photos", available: true, medium: `uuid:${uuid}` }]);
  });

  test("is not kept busy by the app, goes with its unmount, and comes back with its mount", async () => {
    for (let round = 0; round < 2; round++) {
      await unplug();
      await isTold("Changed Photos false");
      expect(look()).toBeUndefined();
      // Nobody has the file system any more, so nothing of it is unwritten.
      await until(
        "the device is free",
        () => !execFileSync("losetup", ["-a"], { encoding: "utf8" }).includes(pit.folder),
      );
      expect(listed()).toMatchObject([{ available: false }]);
      plug("blue");
      await isTold("Changed Photos true");
      expect(look()).toBe("blue");
    }
  });

  test("is not another one at the same place, neither in what runs nor at a start", async () => {
    expect([start(), start()]).toEqual(["blue", "blue"]);
    await unplug();
    await isTold("Changed Photos false");
    plug("red");
    pit.succeed(["library", "add", id, pit.path("work")]);
    // Told of that, the app has been told of all that was before it.
    await isTold("Added work true");
    expect(news.at(-2)).toBe("Changed Photos false");
    expect([look(), start(), start()]).toEqual([undefined, undefined, undefined]);
    expect(listed()).toMatchObject([{ available: false }, { available: true }]);
    await unplug();
    plug("blue");
    await isTold("Changed Photos true");
    expect([look(), start(), start()]).toEqual(["blue", "blue", "blue"]);
    pit.succeed(["library", "remove", id, "work"]);
    await isTold("Removed work");
  });

  test("below a picked folder follows as well, and is read-only where that is", async () => {
    const below = pit.path("work/stick-holder");
    mkdirSync(`${below}/inner`, { recursive: true });
    pit.succeed(["library", "add", "--read-only", id, below]);
    await isTold("Added stick-holder true");
    const seen = () => {
      const path = "/run/flatpak/library/stick-holder/inner/Photos/one";
      return JSON.parse(pit.succeed(["enter", number, "/app/bin/probe", "files", path]));
    };
    execFileSync("mount", ["-o", "loop", pit.path("red"), `${below}/inner`]);
    try {
      await until("the inner medium is shown", () => seen().content === "red");
      expect(seen()).toMatchObject({ write: "EROFS" });
    } finally {
      await unmount(`${below}/inner`);
    }
    await until("the inner medium is gone", () => seen().content === undefined);
    pit.succeed(["library", "remove", id, below]);
  });

  test("that is away when it is taken from the app does not come back", async () => {
    await unplug();
    await isTold("Changed Photos false");
    pit.succeed(["library", "remove", id, "Photos"]);
    await isTold("Removed Photos");
    plug("blue");
    pit.succeed(["library", "add", id, pit.path("work")]);
    await isTold("Added work true");
    expect([look(), start()]).toEqual([undefined, undefined]);
  });
});
