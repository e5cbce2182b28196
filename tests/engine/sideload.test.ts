// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findSideloads, sideloadPlace } from "../../src/engine/sideload.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, recorder } from "./fixtures.ts";

test("findSideloads() takes named layouts, and those on media two folders deep", async () => {
  using folder = new TestFolder();
  const medium = join(folder.path, "media/user/STICK/.dowel");
  mkdirSync(medium, { recursive: true });
  const [named, carried] = [join(folder.path, "named"), join(medium, "images")];
  const commits = [addSample(named, { ref: appRef("A") }), addSample(carried, { ref: appRef("B") })];
  const found = await findSideloads(
    [sideloadPlace(`oci:${named}`)],
    [join(folder.path, "media"), join(folder.path, "none")],
  );
  expect([...found]).toEqual([
    [commits[0] ?? "", { kind: "layout", path: named }],
    [commits[1] ?? "", { kind: "layout", path: carried }],
  ]);
  expect([...(await findSideloads([sideloadPlace(named)], []))]).toHaveLength(1);
  const stick = join(folder.path, "media/user/STICK");
  for (const path of [stick, `oci:${stick}`]) expect(sideloadPlace(path)).toEqual({ kind: "layout", path: carried });
});

test("findSideloads() refuses a named folder that is no layout, and warns of a damaged one on a medium", async () => {
  using folder = new TestFolder();
  await expect(findSideloads([sideloadPlace(folder.path)], [])).rejects.toMatchObject({ code: "OCI_LAYOUT_INVALID" });
  const damaged = join(folder.path, "STICK/.dowel/images");
  mkdirSync(damaged, { recursive: true });
  writeFileSync(join(damaged, "oci-layout"), "{}");
  const { events, report } = recorder();
  expect((await findSideloads([], [folder.path], { report })).size).toBe(0);
  expect(events).toEqual([{ type: "warning", text: expect.stringContaining("STICK") }]);
});
