// SPDX-License-Identifier: Apache-2.0
// Documents that Dowel keeps itself, read by the distribution's document portal when it comes later, and the other way round.
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dowelPath } from "../e2e/support.ts";
import { Child, RawPeer, startBus } from "../support/bus.ts";
import { startPermissionStore } from "../support/permissionstore.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "dowel-tables-")));
const app = "org.example.Editor";
const place = { destination: "org.freedesktop.portal.Documents", path: "/org/freedesktop/portal/documents" } as const;
const environment: Record<string, string> = {
  PATH: process.env["PATH"] ?? "",
  HOME: folder,
  XDG_DATA_HOME: join(folder, "data"),
  XDG_RUNTIME_DIR: join(folder, "run"),
  LANG: "C.UTF-8",
};
mkdirSync(join(folder, "run"), { mode: 0o700 });

afterAll(() => {
  spawnSync("umount", ["-l", join(folder, "run/doc")]);
  rmSync(folder, { recursive: true });
});

/** @param bus its address, where there is one */
function dowel(bus: string | undefined, ...words: readonly string[]): string {
  const env = bus === undefined ? environment : { ...environment, DBUS_SESSION_BUS_ADDRESS: bus };
  const { status, stdout, stderr } = spawnSync(dowelPath, words, { env, cwd: folder, encoding: "utf8" });
  expect({ words, status, stderr }).toEqual({ words, status: 0, stderr: "" });
  return stdout;
}

/** Documents without where they are seen, which is not the same with a portal. */
function listed(bus: string | undefined): unknown[] {
  return JSON.parse(dowel(bus, "documents", "--json")).map(({ path: _, ...rest }: Record<string, string>) => rest);
}

describe("documents on disk", () => {
  test("a portal that comes later has those of Dowel, and Dowel has what is left when it goes", async () => {
    const letter = join(folder, "letter");
    const papers = join(folder, "papers");
    writeFileSync(letter, "dear");
    mkdirSync(papers);
    dowel(undefined, "document-export", "-w", "-a", app, letter);
    dowel(undefined, "document-export", "-u", "-a", "org.example.Other", letter);
    dowel(undefined, "document-export", "-a", app, papers);
    const before = listed(undefined);
    expect(before.length).toBe(3);
    await using bus = await startBus(folder);
    await using _store = await startPermissionStore(bus, join(folder, "data"));
    environment["DBUS_SESSION_BUS_ADDRESS"] = bus.address;
    await using portal = new Child(["/usr/libexec/xdg-document-portal"], ["ignore", "ignore", "ignore"], environment);
    delete environment["DBUS_SESSION_BUS_ADDRESS"];
    using peer = await RawPeer.connect(bus.socket);
    await peer.callBus("AddMatch", "type='signal',member='NameOwnerChanged'");
    const named = async (): Promise<boolean> => {
      const ready = (): boolean =>
        peer.received.some(({ values }) => values[0] === place.destination && values[2] !== "");
      if ((await peer.callBus("NameHasOwner", place.destination)).values[0] !== 1) await peer.until(ready);
      const answer = await peer.ask({ ...place, interface: place.destination, member: "GetMountPoint" });
      return answer?.errorName === "";
    };
    // Where nobody may mount FUSE it ends at once, and there is nothing to compare.
    const serves = await Promise.race([named(), portal.exit.then(() => false)]);
    if (!serves) return;
    expect(listed(bus.address)).toEqual(before);
    // The same file is the same document, to whoever exports it.
    dowel(bus.address, "document-export", "-g", "-a", app, letter);
    dowel(bus.address, "document-export", "-g", "-a", app, papers);
    const after = listed(bus.address);
    expect(after.length).toBe(3);
    portal.process.kill("SIGTERM");
    await portal.exit;
    expect(listed(undefined)).toEqual(after);
  });
});
