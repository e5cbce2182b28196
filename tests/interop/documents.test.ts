// SPDX-License-Identifier: Apache-2.0
// The document commands against the distribution's own portal, beside Flatpak's.
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dowelPath } from "../e2e/support.ts";
import { Child, RawPeer, startBus, type TestBus } from "../support/bus.ts";
import { startPermissionStore } from "../support/permissionstore.ts";

const portalName = "org.freedesktop.portal.Documents";
const app = "org.example.Editor";
const folder = mkdtempSync(join(tmpdir(), "dowel-documents-"));
const environment: Record<string, string> = {
  PATH: process.env["PATH"] ?? "",
  HOME: folder,
  XDG_DATA_HOME: join(folder, "data"),
  XDG_RUNTIME_DIR: join(folder, "run"),
  LANG: "C.UTF-8",
};
const file = join(folder, "letter");

function run(program: string, ...words: string[]) {
  const { status, stdout, stderr } = spawnSync(program, words, { env: environment, cwd: folder, encoding: "utf8" });
  return { status, stdout, stderr };
}

function succeed(...words: string[]): string {
  const outcome = run(dowelPath, ...words);
  expect(outcome).toMatchObject({ status: 0, stderr: "" });
  return outcome.stdout;
}

function documents(...words: string[]) {
  return JSON.parse(succeed("documents", "--json", ...words));
}

/** The portal; undefined where this machine lets nobody mount FUSE, without which it ends at once. */
async function startPortal(bus: TestBus): Promise<Child | undefined> {
  const portal = new Child(["/usr/libexec/xdg-document-portal"], ["ignore", "ignore", "ignore"], environment);
  using peer = await RawPeer.connect(bus.socket);
  await peer.callBus("AddMatch", "type='signal',member='NameOwnerChanged'");
  const ready = (): boolean => peer.received.some(({ values }) => values[0] === portalName && values[2] !== "");
  const owner = await peer.callBus("NameHasOwner", portalName);
  const named = owner.values[0] === 1 ? Promise.resolve() : peer.until(ready);
  const ended = await Promise.race([named.then(() => false), portal.exit.then(() => true)]);
  if (ended) return undefined;
  // It takes its name before its mount is there, and answers when it is.
  const mount = { destination: portalName, path: "/org/freedesktop/portal/documents", interface: portalName };
  const answer = await peer.ask({ ...mount, member: "GetMountPoint" });
  return answer?.errorName === "" ? portal : undefined;
}

mkdirSync(environment["XDG_RUNTIME_DIR"] ?? "", { mode: 0o700 });
writeFileSync(file, "dear");
const bus = await startBus(folder);
environment["DBUS_SESSION_BUS_ADDRESS"] = bus.address;
const store = await startPermissionStore(bus, join(folder, "data"));
const portal = await startPortal(bus);

afterAll(async () => {
  if (portal !== undefined) {
    portal.process.kill("SIGTERM");
    await portal.exit;
  }
  await store[Symbol.asyncDispose]();
  await bus[Symbol.asyncDispose]();
  spawnSync("umount", ["-l", join(folder, "run/doc")]);
  rmSync(folder, { recursive: true });
});

describe.if(portal !== undefined)("the document commands", () => {
  test("export a file, show it as Flatpak does, and take it away", () => {
    const path = succeed("document-export", file).trimEnd();
    expect(readFileSync(path, "utf8")).toBe("dear");
    expect(run("flatpak", "document-export", file)).toEqual({ status: 0, stdout: `${path}\n`, stderr: "" });
    const id = path.split("/").at(-2) ?? "";
    expect(documents()).toEqual([{ id, path, origin: file, application: "", permissions: "" }]);
    expect(succeed("document-export", "-w", "-g", "-a", app, file)).toBe(`${path}\n`);
    const permissions = ["read", "write", "grant-permissions"];
    expect(JSON.parse(succeed("document-info", "--json", "letter"))).toEqual({
      id,
      path,
      origin: file,
      permissions: { [app]: permissions },
    });
    expect(documents(app)).toMatchObject([{ application: app, permissions: permissions.join(" ") }]);
    expect(documents("org.example.Other")).toEqual([]);
    expect(succeed("document-info", "--doc-id", id)).toBe(run("flatpak", "document-info", file).stdout);
    succeed("document-export", "--forbid-write", "--forbid-grant-permission", `--app=${app}`, file);
    expect(documents(app)).toMatchObject([{ permissions: "read" }]);
    succeed("document-unexport", file);
    expect(documents()).toEqual([]);
    expect(readFileSync(file, "utf8")).toBe("dear");
  });

  test("make documents of their own, of folders, and of files that are not there yet", () => {
    const ids = [succeed("document-export", "-u", file), succeed("document-export", "--unique", file)];
    expect(new Set(ids).size).toBe(2);
    const planned = succeed("document-export", "-n", "-t", "-w", "-a", app, join(folder, "planned")).trimEnd();
    writeFileSync(planned, "written");
    expect(readFileSync(join(folder, "planned"), "utf8")).toBe("written");
    mkdirSync(join(folder, "papers"));
    writeFileSync(join(folder, "papers/one"), "sheet");
    expect(readFileSync(join(succeed("document-export", "papers").trimEnd(), "one"), "utf8")).toBe("sheet");
    for (const { id } of documents()) succeed("document-unexport", "--doc-id", id);
    expect(documents()).toEqual([]);
  });

  test("refuse what is not there, ids of nothing, and names that are no apps", () => {
    for (const [words, code] of [
      [["document-export", "missing"], "IO"],
      [["document-export", "-n", "missing/file"], "IO"],
      [["document-export", "-a", "../other", file], "REF_INVALID"],
      [["document-info", "--doc-id", "../by-app"], "DOCUMENT_NOT_FOUND"],
      [["document-unexport", "--doc-id", "12345678"], "DOCUMENT_NOT_FOUND"],
    ] as const) {
      const { status, stderr } = run(dowelPath, ...words);
      expect({ words, status, stderr }).toEqual({ words, status: 1, stderr: expect.stringContaining(`[${code}]`) });
    }
    for (const command of ["document-info", "document-unexport"]) {
      expect(succeed(command, file)).toBe("Not exported\n");
      expect(run("flatpak", command, file)).toMatchObject({ status: 0, stdout: "Not exported\n" });
    }
    expect(documents()).toEqual([]);
  });
});
