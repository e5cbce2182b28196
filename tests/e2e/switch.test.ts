// SPDX-License-Identifier: Apache-2.0
// One installation, shown by mounts or by hard links as the one who uses it can, without anything being fetched again.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { makeLayout, ordinaryUser, Sandpit } from "./support.ts";

const id = "org.example.Probe";
const root = new Sandpit();
const user = new Sandpit(ordinaryUser);

beforeAll(() => {
  root.succeed(["remote-add", "--user", "apps", `oci:${makeLayout(root.path("images"))}`]);
});
afterAll(() => {
  root[Symbol.dispose]();
  user[Symbol.dispose]();
});

function shownAs(pit: Sandpit): string {
  const path = pit.path("home/.local/share/dowel/app", id, "current/active/deploy.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { readonly shownAs: string }).shownAs;
}

test("plumbing mount switches checkouts to mounts where these can be had now", () => {
  root.succeed(["list"]);
  const store = root.path("home/.local/share/dowel");
  // What others may write to is never mounted.
  chmodSync(store, 0o775);
  root.succeed(["install", "--user", "-y", "apps", id]);
  expect(shownAs(root)).toBe("checkout");
  rmSync(root.path("images"), { recursive: true });
  root.succeed(["plumbing", "mount", "--user"]);
  expect(shownAs(root)).toBe("checkout");
  chmodSync(store, 0o755);
  // What runs stays as it is, and on a busy machine somebody else may run the same images.
  for (const until = performance.now() + 120_000; performance.now() < until; ) {
    if (root.succeed(["plumbing", "mount", "--user"]).startsWith("2 deployments")) break;
  }
  expect(shownAs(root)).toBe("composefs");
  expect(root.succeed(["run", id, "id"])).toContain('"uid":0');
  expect(root.succeed(["repair", "--user", "--dry-run"])).toBe("Everything is sound.\n");
});

test("an installation that root made and gave to a user is switched to checkouts by repair", () => {
  execFileSync("cp", ["-a", root.path("home/.local"), user.path("home")]);
  user.own(user.path("home"));
  const { status, stderr } = user.dowel(["run", id, "id"]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("dowel repair --user")]);
  expect(user.dowel(["repair", "--user", "--dry-run"]).stdout).toContain("cannot be made here");
  user.succeed(["repair", "--user"]);
  expect(shownAs(user)).toBe("checkout");
  expect(user.succeed(["run", id, "id"])).toContain(`"uid":${ordinaryUser}`);
  expect(user.succeed(["repair", "--user", "--dry-run"])).toBe("Everything is sound.\n");
});
