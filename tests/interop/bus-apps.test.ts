// SPDX-License-Identifier: Apache-2.0
// Programs of the common D-Bus libraries in a sandbox, an app that a bus starts by its name, and the other two buses.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import { type Child, RawPeer, startBus, type TestBus } from "../support/bus.ts";
import { Desktop } from "./desktop.ts";

const id = "org.example.Client";
const served = "org.example.Echo";
const service = `[D-BUS Service]\nName=${served}\nExec=sdbus serve ${served}\n`;
let desktop: Desktop;
let system: TestBus;
let launcher: Child;
let outside: RawPeer;

beforeAll(async () => {
  desktop = await Desktop.start(["sh", "gdbus", "dbus-send", "/usr/lib/qt5/bin/qdbus"]);
  const folder = desktop.pit.path("system-bus");
  mkdirSync(folder);
  system = await startBus(folder);
  desktop.variables["DBUS_SYSTEM_BUS_ADDRESS"] = system.address;
  desktop.install(served, "", { "export/share/dbus-1/services/org.example.Echo.service": service });
  desktop.install(
    id,
    `[Session Bus Policy]\n${served}=talk\n[System Bus Policy]\norg.test.Talk=talk\norg.test.See=see\n`,
  );
  outside = await RawPeer.connect(desktop.bus.socket);
  await outside.callBus("RequestName", "org.test.Hidden");
  launcher = desktop.host(["/usr/libexec/at-spi-bus-launcher", "--launch-immediately"]);
  while ((await outside.callBus("NameHasOwner", "org.a11y.Bus")).values[0] !== 1) await Bun.sleep(5);
  // Its answer comes when the accessibility bus listens.
  const getAddress = ["-d", "org.a11y.Bus", "-o", "/org/a11y/bus", "-m", "org.a11y.Bus.GetAddress"];
  desktop.ask(["gdbus", "call", "--session", ...getAddress]);
});
afterAll(async () => {
  // It ends the bus that it has started.
  launcher.process.kill("SIGTERM");
  await launcher.exit;
  outside[Symbol.dispose]();
  await system[Symbol.asyncDispose]();
  await desktop[Symbol.asyncDispose]();
});

const method = `${served}.Say`;
const path = "/org/example/Echo";

describe("clients in a sandbox", () => {
  test.each([
    ["GDBus", (name: string) => `gdbus call --session -d ${name} -o ${path} -m ${method} hello`],
    [
      "libdbus",
      (name: string) => `dbus-send --session --print-reply=literal --dest=${name} ${path} ${method} string:hello`,
    ],
    ["sd-bus", (name: string) => `sdbus ask ${name} hello`],
    ["QtDBus", (name: string) => `qdbus ${name} ${path} ${method} hello`],
  ])("%s talks to an app that the bus starts by its name, and not to what is hidden", async (_, call) => {
    expect(await desktop.output(id, call(served))).toContain(`${served} says hello`);
    const owner = await outside.callBus("GetConnectionUnixProcessID", served);
    const info = readFileSync(`/proc/${owner.values[0]}/root/.flatpak-info`, "utf8");
    expect(info).toStartWith(`[Application]\nname=${served}\n`);
    const { status, stderr } = await desktop.run(id, call("org.test.Hidden")).outcome;
    expect([status, stderr]).toEqual([1, expect.stringMatching(/ServiceUnknown|^Cannot find 'org.example.Echo.Say'/)]);
  });
});

describe("an app that would use a service that another app exports", () => {
  test("starts it once somebody has agreed, and is told how to agree before", async () => {
    const asker = "org.example.Asker";
    desktop.install(asker, `[Policy services]\nuse=${served};\n`);
    desktop.host(["/usr/libexec/xdg-permission-store"]);
    const name = "org.freedesktop.impl.portal.PermissionStore";
    while ((await outside.callBus("NameHasOwner", name)).values[0] !== 1) await Bun.sleep(5);
    const say = () => desktop.run(asker, `gdbus call --session -d ${served} -o ${path} -m ${method} hello`).outcome;
    expect((await say()).stderr).toContain(`dowel permission-set services ${served} ${asker} yes`);
    desktop.pit.succeed(["permission-set", "services", served, asker, "yes"]);
    expect(await say()).toMatchObject({ status: 0, stdout: expect.stringContaining(`${served} says hello`) });
  });
});

describe("an app on the system bus", () => {
  test("talks as itself to whom a permission names, sees another, and knows of no third", async () => {
    using service = await RawPeer.connect(system.socket);
    for (const name of ["Talk", "See", "Hidden"]) await service.callBus("RequestName", `org.test.${name}`);
    const callers: string[] = [];
    service.onMessage = async ({ type, sender, serial }) => {
      if (type !== 1) return;
      const pid = (await service.callBus("GetConnectionUnixProcessID", sender)).values[0];
      callers.push(readFileSync(`/proc/${pid}/root/.flatpak-info`, "utf8").split("\n")[1] ?? "");
      service.send({ type: 2, destination: sender, replySerial: serial });
    };
    const call = (name: string) =>
      desktop.run(id, `dbus-send --system --print-reply=literal --dest=org.test.${name} / org.test.Call`).outcome;
    expect(await call("Talk")).toMatchObject({ status: 0, stderr: "" });
    expect((await call("See")).stderr).toContain("org.freedesktop.DBus.Error.AccessDenied");
    expect((await call("Hidden")).stderr).toContain("org.freedesktop.DBus.Error.ServiceUnknown");
    expect(callers).toEqual([`name=${id}`]);
    const words = ["dbus-send", "--system", "--print-reply", "--dest=org.test.Hidden", "/", "org.test.Call"];
    const run = ["run", "--no-require-cgroup", "--log-system-bus", "--command=sh", id, "-c", words.join(" ")];
    expect((await desktop.pit.start(run, desktop.variables).outcome).stderr).toContain(
      "-> org.test.Hidden call org.test.Call at /\n*HIDDEN* (ping)\n",
    );
  });
});

describe("an app on the accessibility bus", () => {
  test("talks to the registry as applications do, and not as assistive technologies do", async () => {
    const at = "-d org.a11y.atspi.Registry -o /org/a11y/atspi/registry -m org.a11y.atspi.Registry";
    const call = (member: string) =>
      desktop.run(id, `gdbus call --address "$AT_SPI_BUS_ADDRESS" ${at}.${member}`).outcome;
    expect(await call("GetRegisteredEvents")).toMatchObject({ status: 0, stdout: "(@a(ss) [],)\n" });
    expect((await call("RegisterEvent object:")).stderr).toContain("org.freedesktop.DBus.Error.AccessDenied");
  });
});
