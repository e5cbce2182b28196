// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInstallation, openInstallation } from "../../src/store/installation.ts";
import { lockForChange, lockObjects, pinObjects } from "../../src/store/locks.ts";
import { namedPlace, namedPlaces, systemPlace, userPlace } from "../../src/store/places.ts";
import { TestFolder } from "./images.ts";

test.each([
  [{ HOME: "/home/a" }, "/home/a/.local/share/dowel"],
  [{ HOME: "/home/a", XDG_DATA_HOME: "/data" }, "/data/dowel"],
  [{ HOME: "/home/a", XDG_DATA_HOME: "data" }, "/home/a/.local/share/dowel"],
  [{ HOME: "/home/a", XDG_DATA_HOME: "/data", DOWEL_USER_DIR: "/mine" }, "/mine"],
])("userPlace() of %j is %j", (environment, path) => {
  expect(userPlace(environment)).toMatchObject({ kind: "user", path });
});

test("systemPlace() is /var/lib/dowel unless the environment names another", () => {
  expect(systemPlace({}).path).toBe("/var/lib/dowel");
  expect(systemPlace({ DOWEL_SYSTEM_DIR: "/sys" }).path).toBe("/sys");
});

test("namedPlaces() reads files in Flatpak's form", () => {
  using folder = new TestFolder();
  const file = (name: string, text: string) => writeFileSync(join(folder.path, name), text);
  file("10-a.conf", '[Installation "extra"]\nPath=/old\n');
  file(
    "20-b.conf",
    '[Installation "extra"]\nPath=/new\nDisplayName=Extra\nPriority=5\n\n[Installation "x"]\nPath=/x\n[Other]\n',
  );
  file("ignored.txt", "no keyfile");
  expect(namedPlaces(folder.path)).toEqual([
    { name: "extra", kind: "system", path: "/new", displayName: "Extra", priority: 5 },
    { name: "x", kind: "system", path: "/x", priority: 0 },
  ]);
  expect(namedPlace("x", folder.path).path).toBe("/x");
  expect(() => namedPlace("y", folder.path)).toThrow(expect.objectContaining({ code: "USAGE" }));
  file("30-c.conf", '[Installation "bad"]\nPath=relative\n');
  expect(() => namedPlaces(folder.path)).toThrow(expect.objectContaining({ code: "SCHEMA" }));
  expect(namedPlaces(join(folder.path, "none"))).toEqual([]);
});

test("openInstallation() makes nothing and refuses an unknown version", () => {
  using folder = new TestFolder();
  const place = { name: "a", kind: "user", path: join(folder.path, "a"), priority: 0 } as const;
  expect(openInstallation(place).path).toBe(place.path);
  createInstallation(place);
  createInstallation(place);
  writeFileSync(join(place.path, "version"), "2\n");
  expect(() => openInstallation(place)).toThrow(expect.objectContaining({ code: "STORE_VERSION" }));
});

test("lockForChange() says that it waits, and gives up after the wait", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  const notes: string[] = [];
  {
    using _held = await lockForChange(installation);
    const report = (event: { type: string }) => notes.push(event.type);
    const again = lockForChange(installation, { report, waitMilliseconds: 350 });
    await expect(again).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await expect(lockForChange(installation, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ABORTED",
    });
  }
  expect(notes).toEqual(["note"]);
  (await lockForChange(installation, { waitMilliseconds: 0 }))[Symbol.dispose]();
});

test("lockObjects() waits for every pin, and pins do not wait for each other", async () => {
  using folder = new TestFolder();
  const installation = folder.installation();
  {
    using _one = await pinObjects(installation);
    using _two = await pinObjects(installation, { waitMilliseconds: 0 });
    await expect(lockObjects(installation, { waitMilliseconds: 0 })).rejects.toMatchObject({ code: "STORE_LOCKED" });
  }
  (await lockObjects(installation, { waitMilliseconds: 0 }))[Symbol.dispose]();
});
