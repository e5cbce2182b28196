// SPDX-License-Identifier: Apache-2.0
// What the system service does besides installing and updating: for users who may, and refused to those who may not.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountPoint } from "../../src/store/shown.ts";
import { FaultProxy } from "../engine/proxy.ts";
import { mayAll, mayNothing, mayUpdate } from "../support/systembus.ts";
import { Served } from "./served.ts";
import { appRef, makeLayout, type Sandpit, startRegistry } from "./support.ts";

const id = "org.example.Probe";
const configuration = mkdtempSync(join(tmpdir(), "dowel-configuration-"));
let served: Served;
let registry: Awaited<ReturnType<typeof startRegistry>>;
let proxy: FaultProxy;
let layout = "";
/** Users who may do everything, update, and nothing. */
let all: Sandpit;
let some: Sandpit;
let nobody: Sandpit;

function push(version: string): void {
  layout = makeLayout(served.host.path(version), { text: `${version}\n` });
  served.host.succeed(["push", `oci:${layout}`, `oci+http://${registry.address}/apps`]);
}

beforeAll(async () => {
  execFileSync("chmod", ["755", configuration]);
  mkdirSync(join(configuration, "preinstall.d"));
  served = await Served.start([], { DOWEL_CONFIG_DIR: configuration });
  registry = await startRegistry(served.host, served.host.path("registry"));
  proxy = await FaultProxy.start(`http://${registry.address}`);
  push("one");
  served.host.succeed(["remote-add", "--system", "--verify=none", "apps", `oci+http://${proxy.host}/apps`]);
  [all, some, nobody] = [served.user(mayAll), served.user(mayUpdate), served.user(mayNothing)];
});

afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await registry.stop();
  await served[Symbol.asyncDispose]();
  rmSync(configuration, { recursive: true });
});

function text(): string {
  return readFileSync(served.host.path("system/app", appRef.slice(4), "active/files/share/text"), "utf8");
}

function listed(): string {
  return all.succeed(["list", "--system", "--app", "--columns=application"]);
}

/** Runs the program beside the proxy, which is served by this process. */
async function succeed(pit: Sandpit, words: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await pit.start(words).outcome;
  if (status !== 0) throw new Error(`dowel ${words.join(" ")} ended with ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

async function refusal(pit: Sandpit, words: readonly string[]): Promise<string> {
  const { status, stderr } = await pit.start(words).outcome;
  expect(status).toBe(1);
  return stderr;
}

describe("preinstall", () => {
  const file = join(configuration, "preinstall.d/apps.preinstall");

  test("installs what is listed, and notes it so that a removal lasts", async () => {
    writeFileSync(file, `[Flatpak Preinstall ${id}]\nBranch=stable\n`);
    expect(await refusal(nobody, ["preinstall", "--system", "-y"])).toContain("[NOT_PERMITTED]");
    expect(listed()).toBe("");
    await succeed(all, ["preinstall", "--system", "-y"]);
    expect(listed()).toBe(`${id}\n`);
    await succeed(all, ["uninstall", "--system", "-y", id]);
    await succeed(all, ["preinstall", "--system", "-y"]);
    expect(listed()).toBe("");
    await succeed(all, ["preinstall", "--system", "-y", "--reinstall"]);
    expect(listed()).toBe(`${id}\n`);
  });

  test("removes what is listed no longer, and asks for no right where nothing is to be done", async () => {
    rmSync(file);
    await succeed(all, ["preinstall", "--system", "-y"]);
    expect(listed()).toBe("");
    const { status } = await nobody.start(["preinstall", "--system", "-y"]).outcome;
    expect(status).toBe(0);
  });
});

describe("apply", () => {
  function state(name: string, content: object): string {
    const path = all.path("work", name);
    writeFileSync(path, JSON.stringify({ version: 1, ...content }));
    return path;
  }

  test("brings settings, remotes and refs to what a file says", async () => {
    const url = `oci+http://${proxy.host}/apps`;
    const wanted = {
      remotes: { apps: { url, title: "All apps" } },
      refs: [{ ref: appRef, remote: "apps" }],
      masks: ["org.example.*.Locale"],
      pins: ["runtime/org.example.Platform"],
      config: { languages: "de;en" },
    };
    await succeed(all, ["apply", "--system", "-y", state("one.json", wanted)]);
    expect(listed()).toBe(`${id}\n`);
    expect(all.succeed(["remotes", "--system", "--columns=name,title"])).toBe("apps\tAll apps\n");
    expect(all.succeed(["config", "--system", "languages"])).toBe("de;en\n");
    expect(all.succeed(["mask", "--system"])).toContain("org.example.*.Locale");
    const nothing = { refs: [], masks: [], pins: [], config: {} };
    await succeed(all, ["apply", "--system", "-y", state("two.json", nothing)]);
    expect(listed()).toBe("");
    expect(all.succeed(["mask", "--system"])).toContain("No masked patterns");
  });

  test("is refused as a whole where it says what apps may do, and where polkit refuses it", async () => {
    const overrides = { overrides: { [id]: "[Context]\nfilesystems=host;\n" }, config: { languages: "fr" } };
    const path = state("three.json", overrides);
    const said = await refusal(all, ["apply", "--system", "-y", path]);
    expect(said).toContain("only root changes [NOT_PERMITTED]\nhint: Run it as root");
    expect(existsSync(served.host.path("system/overrides"))).toBe(false);
    expect(all.succeed(["config", "--system", "languages"])).toBe("*unset*\n");
    const masks = state("four.json", { masks: ["org.example.X"] });
    expect(await refusal(some, ["apply", "--system", "-y", masks])).toContain("org.freedesktop.Flatpak.configure");
  });
});

describe("with the app installed", () => {
  beforeAll(async () => {
    await succeed(all, ["install", "--system", "-y", "apps", id]);
  });

  test("update --background updates where polkit lets without a question, and says what it did", async () => {
    push("two");
    const refused = await nobody.start(["update", "--background", "--system", "--json"]).outcome;
    expect(refused.status).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject([{ changed: [], failure: { code: "NOT_PERMITTED" } }]);
    const said = await succeed(some, ["update", "--background", "--system", "--json"]);
    expect(JSON.parse(said)).toMatchObject([{ installation: "system", changed: [{ ref: appRef }] }]);
    expect(text()).toBe("two\n");
  });

  test("repair finds and mends, and tells each finding", async () => {
    const objects = served.host.path("system/objects");
    const folder = readdirSync(objects)[0] ?? "";
    const name = readdirSync(join(objects, folder))[0] ?? "";
    rmSync(join(objects, folder, name));
    expect(await refusal(some, ["repair", "--system"])).toContain("org.freedesktop.Flatpak.modify-repo");
    const looked = await all.start(["repair", "--system", "--dry-run", "--json"]).outcome;
    const finding = { installation: "system", kind: "object", what: "missing", mended: false };
    expect(JSON.parse(looked.stdout)).toContainEqual(expect.objectContaining(finding));
    expect(looked.status).toBe(1);
    expect(await succeed(all, ["repair", "--system"])).toContain("mended: object missing");
    expect(await succeed(all, ["repair", "--system", "--dry-run"])).toBe("Everything is sound.\n");
  });

  test("run has images mounted that nobody has mounted since the last boot, whoever asks", () => {
    const folder = mountPoint(served.host.path("system"), "");
    const images = readdirSync(folder);
    expect(images.length).toBeGreaterThan(1);
    for (const image of images) execFileSync("umount", ["-l", join(folder, image)]);
    const words = ["run", "--no-require-cgroup", id, "id"];
    const without = nobody.dowel(words, { environment: { DBUS_SYSTEM_BUS_ADDRESS: "unix:path=/nonexistent" } });
    expect(without.stderr).toContain("are not mounted, and only root can do it [UNSUPPORTED]");
    expect(JSON.parse(nobody.succeed(words))).toMatchObject({ uid: mayNothing });
    expect(JSON.parse(nobody.succeed(words))).toMatchObject({ uid: mayNothing });
  });

  test("--sideload-repo takes images from a folder that only the caller knows, and no archive", async () => {
    push("three");
    const folder = some.path("work/medium");
    cpSync(layout, folder, { recursive: true });
    some.own(folder);
    execFileSync("chmod", ["-R", "go-rwx", folder]);
    proxy.fault = ({ path }) => (path.includes("/blobs/") ? { status: 503 } : undefined);
    const words = ["update", "--system", "-y", "--noninteractive"];
    await succeed(some, [...words, `--sideload-repo=${folder}`]);
    proxy.fault = () => undefined;
    expect(text()).toBe("three\n");
    const archive = some.path("work/images.tar");
    execFileSync("tar", ["-C", folder, "-cf", archive, "."]);
    push("four");
    const said = await refusal(some, [...words, `--sideload-repo=oci-archive:${archive}`]);
    expect(said).toContain("takes images only from a folder [NOT_PERMITTED]\nhint: Unpack the archive");
    expect(text()).toBe("three\n");
  });
});
