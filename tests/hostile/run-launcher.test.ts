// SPDX-License-Identifier: Apache-2.0
// Attacks on the launcher's own processes and on places that others can make before it.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { dowelPath, makeLayout, ordinaryUser, Sandpit } from "../e2e/support.ts";

const id = "org.example.Probe";
/** Another user than that of the other tests, whose folder below /tmp nobody else here uses. */
const stranger = 65_431;
const victim = 65_432;

const pits = [new Sandpit(), new Sandpit(ordinaryUser)] as const;

beforeAll(() => {
  for (const pit of pits) {
    const layout = makeLayout(pit.path("images"));
    for (const name of ["images", "home"]) pit.own(pit.path(name));
    pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
  }
});
afterAll(() => {
  for (const pit of pits) pit[Symbol.dispose]();
});

test.each(pits.map((pit) => [pit.uid, pit] as const))(
  "the init cannot be read, written or replaced by the app of user %d (CVE-2016-8659, CVE-2019-5736)",
  (_uid, pit) => {
    const paths = ["exe", "mem", "environ", "root", "cwd", "fd", "maps"].map((name) => `/proc/1/${name}`);
    const lines = pit
      .succeed(["run", "--devel", id, "files", ...paths])
      .trim()
      .split("\n");
    for (const line of lines) {
      const { path, write, entries, read } = JSON.parse(line);
      const opened = [write, read].filter((result) => result === "OK");
      expect([path, opened, entries ?? []]).toEqual([path, [], []]);
    }
  },
);

test("a launcher with another's rights does nothing (CVE-2020-5291, CVE-2026-41163)", () => {
  const [pit] = pits;
  const copy = pit.path("work/dowel");
  copyFileSync(dowelPath, copy);
  chmodSync(copy, 0o4755);
  const { status, stderr } = spawnSync(copy, ["run", id, "exit", "0"], {
    env: pit.environment,
    encoding: "utf8",
    uid: ordinaryUser,
    gid: ordinaryUser,
  });
  expect([status, stderr]).toEqual([1, expect.stringContaining("must not be set-user-id")]);
});

test("a folder that another user made at the known place below /tmp is not used (CVE-2019-12439)", () => {
  using pit = new Sandpit(victim);
  const place = `/tmp/.dowel-${victim}`;
  const layout = makeLayout(pit.path("images"));
  pit.own(pit.path("images"));
  pit.own(pit.path("home"));
  pit.succeed(["install", "--user", "-y", `oci:${layout}`, id]);
  const makers: readonly (() => void)[] = [
    () => {
      mkdirSync(`${place}/plans`, { recursive: true });
      chownSync(place, stranger, stranger);
    },
    () => symlinkSync(pit.path("work"), place),
  ];
  for (const make of makers) {
    make();
    try {
      const outcome = pit.dowel(["run", id, "exit", "0"], { environment: { XDG_RUNTIME_DIR: "" } });
      expect(outcome).toMatchObject({ status: 1, stderr: expect.stringContaining(place) });
      expect(readdirSync(pit.path("work"))).toEqual([]);
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  }
  expect(existsSync(place)).toBe(false);
});
