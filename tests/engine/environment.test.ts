// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemFolders, updatedDataDirs } from "../../src/engine/environment.ts";

const configured = mkdtempSync(join(tmpdir(), "dowel-environment-"));
writeFileSync(join(configured, "games.conf"), '[Installation "games"]\nPath=/srv/games\n');
afterAll(() => rmSync(configured, { recursive: true }));
const home = { HOME: "/home/me" };

describe("systemFolders()", () => {
  test("names the default installation, then the configured ones", () => {
    expect(systemFolders(home, configured)).toEqual(["/var/lib/dowel", "/srv/games"]);
    expect(systemFolders({ DOWEL_SYSTEM_DIR: "/opt/apps" }, "/nowhere")).toEqual(["/opt/apps"]);
  });
});

describe("updatedDataDirs()", () => {
  for (const [name, environment, systemOnly, expected] of [
    [
      "puts the user's exports first and the system's defaults last",
      home,
      false,
      "/home/me/.local/share/dowel/exports/share:/srv/games/exports/share:/var/lib/dowel/exports/share:/usr/local/share:/usr/share",
    ],
    [
      "leaves the user out with systemOnly",
      home,
      true,
      "/srv/games/exports/share:/var/lib/dowel/exports/share:/usr/local/share:/usr/share",
    ],
    [
      "adds nothing that is there",
      { ...home, XDG_DATA_DIRS: "/x:/var/lib/dowel/exports/share/:/srv/games/exports/share" },
      true,
      "/x:/var/lib/dowel/exports/share/:/srv/games/exports/share",
    ],
    ["takes an empty variable as unset", { XDG_DATA_DIRS: "", DOWEL_SYSTEM_DIR: "/s" }, true, undefined],
  ] as const) {
    test(name, () => {
      const found = updatedDataDirs(environment, systemOnly, configured);
      expect(found).toBe(expected ?? "/srv/games/exports/share:/s/exports/share:/usr/local/share:/usr/share");
    });
  }
});
