// SPDX-License-Identifier: Apache-2.0
// The first boot of a system whose maker dropped a remote and a list of apps: what the unit runs, until everything is there.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { FaultProxy } from "../engine/proxy.ts";
import { appRef, makeLayout, type Outcome, Sandpit, startRegistry } from "./support.ts";

const id = "org.example.Probe";
const unit = readFileSync(resolve("packaging/systemd/dowel-preinstall.service"), "utf8");
let host: Sandpit;
let registry: Awaited<ReturnType<typeof startRegistry>>;
let proxy: FaultProxy;

/** What systemd starts, with the installation of these tests for the system's. */
async function boot(): Promise<Outcome> {
  const [program, ...words] = /^ExecStart=(.+)$/m.exec(unit)?.[1]?.split(" ") ?? [];
  expect(program).toBe("/usr/bin/dowel");
  return await host.start(words).outcome;
}

function listed(): string {
  return host.succeed(["list", "--system", "--columns=ref"]);
}

beforeAll(async () => {
  const maker = new Sandpit();
  rmSync(maker.folder, { recursive: true });
  host = new Sandpit(0, { DOWEL_DATA_DIR: maker.folder });
  registry = await startRegistry(host, host.path("registry"));
  proxy = await FaultProxy.start(`http://${registry.address}`);
  host.succeed(["push", `oci:${makeLayout(host.path("layout"))}`, `oci+http://${registry.address}/apps`]);
  for (const folder of ["remotes.d", "preinstall.d"]) mkdirSync(`${maker.folder}/${folder}`, { recursive: true });
  const repository = `[Flatpak Repo]\nTitle=The maker's\nUrl=oci+http://${proxy.host}/apps\n`;
  writeFileSync(`${maker.folder}/remotes.d/maker.flatpakrepo`, repository);
  writeFileSync(`${maker.folder}/preinstall.d/apps.preinstall`, `[Flatpak Preinstall ${id}]\nBranch=stable\n`);
});

afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await registry.stop();
  rmSync(host.environment["DOWEL_DATA_DIR"] ?? "", { recursive: true, force: true });
  host[Symbol.dispose]();
});

test("the unit fails while the registry cannot be reached, so that systemd starts it again", async () => {
  expect(unit).toContain("\nRestart=on-failure\n");
  proxy.fault = () => ({ cutAfter: 0 });
  const { status, stderr } = await boot();
  expect(status).toBe(1);
  expect(stderr).toContain("Remote maker: ");
  expect(listed()).toBe("");
});

test("what is started again installs the app and what it needs from the remote that the maker dropped", async () => {
  proxy.fault = () => undefined;
  expect(await boot()).toMatchObject({ status: 0 });
  expect(listed()).toContain(appRef.slice(4));
  expect(listed()).toContain("org.example.Platform/");
  expect(host.succeed(["remotes", "--system", "--columns=name,title"])).toBe("maker\tThe maker's\n");
});

test("later boots leave alone what a user removed", async () => {
  await host.start(["uninstall", "--system", "-y", id]).outcome;
  expect(await boot()).toMatchObject({ status: 0 });
  expect(listed()).not.toContain(id);
});
