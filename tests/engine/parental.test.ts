// SPDX-License-Identifier: Apache-2.0
// Parental controls as the real AccountsService keeps them, with malcontent's interface, asked through polkit on a
// system bus of the test's own.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkMayInstall } from "../../src/engine/parental.ts";
import { parseRef } from "../../src/metadata/ref.ts";
import { installationAt } from "../../src/store/installation.ts";
import { appRef, makeLayout, ordinaryUser, Sandpit } from "../e2e/support.ts";
import { until } from "../support/until.ts";

const id = "org.example.Probe";
const filter = "com.endlessm.ParentalControls.AppFilter";
const kept = "/var/lib/AccountsService";

/** Whoever asks may read and, as root, set; the host's own rules want a session of logind. */
const rules = `polkit.addRule(function(action, subject) {
  if (action.id.indexOf("com.endlessm.ParentalControls.") == 0) return polkit.Result.YES;
});`;

const configuration = (bus: string): string => `<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=${bus}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_destination="*"/><allow receive_sender="*"/><allow receive_type="signal"/></policy></busconfig>`;

/** Bus, polkit and AccountsService, which know the tests' ordinary user by a passwd of their own. */
class Accounts implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "dowel-accounts-"));
  readonly #children: ChildProcess[] = [];

  get address(): string {
    return `unix:path=${this.folder}/bus`;
  }

  call(path: string, ...words: string[]): { readonly status: number | null; readonly stdout: string } {
    const target = ["call", "--address", this.address, "--dest", "org.freedesktop.Accounts", "--object-path", path];
    const { status, stdout } = spawnSync("gdbus", [...target, "--method", ...words], { encoding: "utf8" });
    return { status, stdout };
  }

  async start(): Promise<void> {
    chmodSync(this.folder, 0o755);
    execFileSync("mount", ["-t", "tmpfs", "none", kept]);
    for (const name of ["users", "icons"]) execFileSync("mkdir", ["-m", "700", `${kept}/${name}`]);
    const write = (name: string, text: string) => writeFileSync(join(this.folder, name), text);
    write("bus.conf", configuration(join(this.folder, "bus")));
    const line = `tester:x:${ordinaryUser}:${ordinaryUser}::/nonexistent:/bin/sh\n`;
    write("passwd", `${readFileSync("/etc/passwd", "utf8").trimEnd()}\n${line}`);
    write("50-tests.rules", rules);
    const known = 'mount --bind "$0/passwd" /etc/passwd; mount -t tmpfs none /etc/polkit-1/rules.d';
    this.#spawn(`${known}; exec dbus-daemon --config-file="$0/bus.conf" --nofork --nopidfile`);
    await until("the bus listens", () => existsSync(join(this.folder, "bus")));
    const ruled = `${known}; cp "$0/50-tests.rules" /etc/polkit-1/rules.d/; chmod 755 /etc/polkit-1 /etc/polkit-1/rules.d`;
    this.#spawn(`${ruled}; exec $(command -v /usr/lib/polkit-1/polkitd /usr/libexec/polkitd | head -1) --no-debug`);
    const names = ["call", "--address", this.address, "--dest", "org.freedesktop.DBus", "--object-path", "/"];
    const hasPolkit = () =>
      spawnSync("gdbus", [...names, "--method", "org.freedesktop.DBus.NameHasOwner", "org.freedesktop.PolicyKit1"], {
        encoding: "utf8",
      }).stdout.includes("true");
    await until("polkit is there", hasPolkit);
    this.#spawn(`${known}; exec /usr/libexec/accounts-daemon`);
    const find = () =>
      this.call("/org/freedesktop/Accounts", "org.freedesktop.Accounts.FindUserById", String(ordinaryUser));
    await until("AccountsService knows the user", () => find().status === 0);
  }

  /** In a mount namespace of its own, so that what it covers stays as it is for all others. */
  #spawn(script: string): void {
    const words = ["--mount", "--propagation", "private", "sh", "-ec", script, this.folder];
    const env = { PATH: "/usr/bin:/usr/sbin:/bin:/sbin", DBUS_SYSTEM_BUS_ADDRESS: this.address };
    this.#children.push(spawn("unshare", words, { stdio: "ignore", env }));
  }

  set(uid: number, property: string, value: string): void {
    const words = ["org.freedesktop.DBus.Properties.Set", filter, property, `<${value}>`];
    const { status } = this.call(`/org/freedesktop/Accounts/User${uid}`, ...words);
    if (status !== 0) throw new Error(`${property} cannot be set`);
  }

  async stop(): Promise<void> {
    for (const child of this.#children.reverse()) {
      const ended = new Promise((done) => child.once("exit", done));
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await ended;
      }
    }
  }

  [Symbol.dispose](): void {
    spawnSync("umount", ["-l", kept]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

describe("parental controls", () => {
  const accounts = new Accounts();
  const pits = new Map([0, ordinaryUser].map((uid) => [uid, new Sandpit(uid)]));
  const pitOf = (uid: number): Sandpit => pits.get(uid) as Sandpit;
  const dowel = (uid: number, ...words: string[]) =>
    pitOf(uid).dowel(words, { environment: { DBUS_SYSTEM_BUS_ADDRESS: accounts.address } });

  beforeAll(async () => {
    await accounts.start();
    for (const [uid, pit] of pits) {
      makeLayout(pit.path("images"));
      pit.own(pit.path("images"));
      chownSync(pit.path("home"), uid, uid);
      const { status, stderr } = dowel(uid, "install", "--user", "-y", `oci:${pit.path("images/layout")}`, id);
      if (status !== 0) throw new Error(stderr);
    }
  });
  afterAll(async () => {
    for (const pit of pits.values()) pit[Symbol.dispose]();
    await accounts.stop();
    accounts[Symbol.dispose]();
  });

  for (const uid of [0, ordinaryUser]) {
    test(`run refuses user ${uid} an app that is listed, also where the start before was a warm one`, () => {
      const run = () => dowel(uid, "run", id, "exit", "7");
      expect([run().status, run().status]).toEqual([7, 7]);
      accounts.set(uid, "AppFilter", `(false, ['${appRef}'])`);
      const { status, stderr } = run();
      expect({ status, stderr }).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(`Running ${appRef} is not allowed by the parental controls`),
      });
      accounts.set(uid, "AppFilter", "(false, ['app/org.example.Other/x86_64/stable'])");
      expect(run().status).toBe(7);
      accounts.set(uid, "AppFilter", "(true, ['app/org.example.Other/x86_64/stable'])");
      expect(run().status).toBe(1);
      accounts.set(uid, "AppFilter", "(false, @as [])");
      expect([run().status, run().status]).toEqual([7, 7]);
    });
  }

  test("install refuses a user what the installation or its contents do not allow, and never root", () => {
    const layout = `oci:${pitOf(ordinaryUser).path("images/layout")}`;
    const install = (uid: number) => dowel(uid, "install", "--user", "--reinstall", "-y", layout, id);
    for (const uid of [0, ordinaryUser]) accounts.set(uid, "AllowUserInstallation", "false");
    expect(install(ordinaryUser)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`Installing ${appRef} is not allowed by the parental controls`),
    });
    expect(install(0).status).toBe(0);
    accounts.set(ordinaryUser, "AllowUserInstallation", "true");
    expect(install(ordinaryUser).status).toBe(0);
    // The app says nothing of its contents.
    accounts.set(ordinaryUser, "OarsFilter", "('oars-1.1', {'violence-cartoon': 'mild'})");
    expect(install(ordinaryUser).status).toBe(1);
  });

  test("checkMayInstall() asks for the user for whom a service installs", async () => {
    const before = process.env["DBUS_SYSTEM_BUS_ADDRESS"];
    process.env["DBUS_SYSTEM_BUS_ADDRESS"] = accounts.address;
    try {
      const installation = installationAt({ name: "default", kind: "system", path: "/nowhere", priority: 0 });
      const check = (forUser?: number) => checkMayInstall(parseRef(appRef), new Map(), { installation, forUser });
      accounts.set(ordinaryUser, "OarsFilter", "('oars-1.1', @a{ss} {})");
      for (const uid of [0, ordinaryUser]) accounts.set(uid, "AllowSystemInstallation", "false");
      await expect(check(ordinaryUser)).rejects.toMatchObject({ code: "NOT_PERMITTED" });
      await check();
      accounts.set(ordinaryUser, "AllowSystemInstallation", "true");
      await check(ordinaryUser);
    } finally {
      if (before === undefined) delete process.env["DBUS_SYSTEM_BUS_ADDRESS"];
      else process.env["DBUS_SYSTEM_BUS_ADDRESS"] = before;
    }
  });
});
