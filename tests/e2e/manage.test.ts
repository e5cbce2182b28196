// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { appRef, makeLayout, runtimeRef, Sandpit, startRegistry } from "./support.ts";

const id = "org.example.Probe";
const pit = new Sandpit();
let layout = "";

beforeAll(() => {
  layout = makeLayout(pit.path("images"));
});
afterAll(() => pit[Symbol.dispose]());

function refs(choice: "--user" | "--system"): string[] {
  return pit.succeed(["list", choice, "--columns=ref"]).split("\n").filter(Boolean).sort();
}

test("everything of the user goes though an app of the system needs a runtime of it", () => {
  pit.succeed(["install", "--user", "-y", "--no-auto-pin", `oci:${layout}`, runtimeRef]);
  pit.succeed(["install", "--system", "-y", `oci:${layout}`, appRef]);
  expect([refs("--user"), refs("--system")]).toEqual([[runtimeRef], [appRef]]);
  expect(pit.dowel(["uninstall", "--user", "-y", runtimeRef]).stderr).toContain("RUNTIME_USED");
  const { status, stderr } = pit.dowel(["uninstall", "--user", "--all", "-y"]);
  expect(stderr).toContain("in another installation");
  expect([status, refs("--user")]).toEqual([0, []]);
  pit.succeed(["uninstall", "--system", "--all", "-y"]);
});

test("nobody is asked without a terminal: a question ends the command and changes nothing", () => {
  const { status, stderr } = pit.dowel(["install", "--user", `oci:${layout}`, appRef]);
  expect(status).toBe(1);
  expect(stderr).toContain(`install  ${appRef}`);
  expect(stderr).toContain("To fetch: at most");
  expect(stderr).toContain("ABORTED");
  expect(refs("--user")).toEqual([]);
});

test("pin, mask and config keep what they are told, and refuse what makes no sense", () => {
  pit.succeed(["pin", "--user", "org.example.Platform//1"]);
  pit.succeed(["mask", "--user", "org.example.*.Locale", id]);
  expect(JSON.parse(pit.succeed(["pin", "--json"]))).toEqual([
    { installation: "user", pattern: "runtime/org.example.Platform//1" },
  ]);
  pit.succeed(["mask", "--user", "--remove", id]);
  expect(pit.succeed(["mask", "--user"])).toBe("Masked patterns:\n  org.example.*.Locale\n");
  expect(pit.dowel(["mask", "--user", "--remove", id]).stderr).toContain("REF_NOT_FOUND");
  expect(pit.dowel(["pin", "--user", "a b"]).stderr).toContain("REF_INVALID");
  pit.succeed(["config", "--user", "languages", "de;en"]);
  expect(pit.succeed(["config", "--user", "--get", "languages"])).toBe("de;en\n");
  expect(JSON.parse(pit.succeed(["config", "--user", "--json"]))).toEqual({ languages: "de;en" });
  pit.succeed(["config", "--user", "--unset", "languages"]);
  expect(pit.succeed(["config", "--user", "languages"])).toBe("*unset*\n");
  expect(pit.dowel(["config", "--user", "keep-versions", "many"]).stderr).toContain("USAGE");
  expect(pit.dowel(["config", "--user", "langages", "de"]).stderr).toContain("Did you mean languages");
});

test("an app goes from one machine to another on a medium, and what was fetched is deployed without the network", async () => {
  const registry = await startRegistry(pit, pit.path("registry"));
  const namespace = `oci+http://${registry.address}/apps`;
  const medium = pit.path("stick");
  try {
    pit.succeed(["push", `oci:${layout}`, namespace]);
    for (const choice of ["--user", "--system"])
      pit.succeed(["remote-add", choice, "--verify=none", "apps", namespace]);
    pit.succeed(["install", "--user", "-y", "apps", id]);
    const copied = pit.succeed(["create-usb", "--user", "--json", medium, id]);
    expect(copied).toContain(runtimeRef);
    pit.succeed(["install", "--system", "-y", "--no-deploy", "--no-deps", "apps", runtimeRef]);
    expect(refs("--system")).toEqual([]);
  } finally {
    await registry.stop();
  }
  expect(pit.dowel(["install", "--system", "-y", "apps", id]).stderr).toContain("REGISTRY_UNREACHABLE");
  expect(pit.dowel(["install", "--system", "-y", "--no-pull", "apps", appRef]).stderr).toContain("NOT_CACHED");
  pit.succeed(["install", "--system", "-y", "--no-pull", "apps", runtimeRef]);
  expect(refs("--system")).toEqual([runtimeRef]);
  pit.succeed(["install", "--system", "-y", `--sideload-repo=${medium}/.dowel/images`, "apps", id]);
  expect(refs("--system")).toEqual([appRef, runtimeRef]);
  pit.succeed(["repair", "--dry-run"]);
});

test("a state is exported, shown as a difference, and applied", () => {
  const file = pit.path("work/state.yml");
  writeFileSync(file, pit.succeed(["export-state", "--user"]));
  expect(pit.succeed(["apply", "--user", "--dry-run", file])).toBe("Nothing to do.\n");
  writeFileSync(file, readFileSync(file, "utf8").replace(/^refs:\n(?: {2}.*\n)+/m, "refs: []\n"));
  expect(pit.succeed(["apply", "--user", "--dry-run", file])).toBe(`- ${appRef}\n`);
  expect(JSON.parse(pit.succeed(["apply", "--user", "--dry-run", "--json", file]))).toEqual([
    { what: "ref", name: appRef, from: "apps" },
  ]);
  pit.succeed(["apply", "--user", "-y", file]);
  expect(refs("--user")).toEqual([runtimeRef]);
  writeFileSync(file, "version: 1\nref: []\n");
  const { status, stderr } = pit.dowel(["apply", "--user", "-y", file]);
  expect([status, stderr]).toEqual([1, expect.stringContaining(`${file}:2:1: ref: expected a known key`)]);
});

test("data of apps that are gone are deleted alone, and by name with their app", () => {
  const data = pit.path(`home/.var/app/${id}`);
  pit.succeed(["install", "--user", "-y", `oci:${layout}`, appRef]);
  pit.succeed(["run", id, "env"]);
  expect(existsSync(data)).toBe(true);
  pit.succeed(["uninstall", "--all", "-y"]);
  expect(existsSync(data)).toBe(true);
  pit.succeed(["uninstall", "--delete-data", "-y"]);
  expect(existsSync(data)).toBe(false);
});
