// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { type BuildSandbox, specifyBuild } from "../../src/sandbox/build.ts";
import { binds, FakeHost, fileText, folder, machine, targets } from "./spec/fake-host.ts";

const build: BuildSandbox = {
  sdkLower: "/images/runtime",
  arch: "x86_64",
  appLower: undefined,
  appFolder: "/state/app",
  target: "/app",
  extensions: { app: [], runtime: [] },
  source: { folder: "/state/source", target: "/run/build/module" },
  binds: [{ source: "/state/cache", target: "/run/cache", readOnly: false }],
  environment: new Map([["CFLAGS", "-O2"]]),
  network: false,
  cwd: "/run/build/module",
  command: ["make"],
};

const host = () => new FakeHost(machine, { HOME: "/home/ann" });

describe("specifyBuild()", () => {
  const specification = specifyBuild(build, host());

  test("specifyBuild() binds what is built and its sources, and nothing of the home", () => {
    expect(binds(specification)).toEqual([
      "/sys/class /sys/class ro",
      "/state/app /app rw",
      "/state/source /run/build/module rw",
      "/state/cache /run/cache rw",
    ]);
    expect(JSON.stringify(specification)).not.toContain("/home/ann");
  });

  test("specifyBuild() starts from an empty environment and adds the build's variables", () => {
    const { clear, set } = specification.environment;
    expect(clear).toBe(true);
    expect(set).toMatchObject({ CFLAGS: "-O2", HOME: "/run/build-home", PATH: "/app/bin:/usr/bin", USER: "ann" });
    expect(targets(specification, "tmpfs")).toContain("/run/build-home");
  });

  test("specifyBuild() lets compilers and debuggers of the Sdk work", () => {
    expect(specification.seccomp).toMatchObject({ devel: true, multiarch: true });
  });

  test.each([
    [false, undefined],
    [true, "nameserver 192.0.2.1\n"],
  ])("specifyBuild() with network %p knows these name servers: %p", (network, text) => {
    const result = specifyBuild({ ...build, network }, host());
    expect(result.shared.network).toBe(network);
    expect(fileText(result, "/etc/resolv.conf")).toBe(text as string);
  });

  test("specifyBuild() shows nothing that tells this machine from another", () => {
    expect(fileText(specification, "/etc/machine-id")).toBeUndefined();
    expect(fileText(specification, "/etc/timezone")).toBeUndefined();
    expect(fileText(specification, "/run/host/os-release")).toBeUndefined();
  });

  test("specifyBuild() shows what is built at the place of an extension, over the app that it extends", () => {
    const extension = { ...build, appLower: "/images/app", target: "/app/lib/plugins/x" };
    const specified = specifyBuild(extension, host());
    expect(specified.lowers).toEqual(["/images/app", "/images/runtime"]);
    expect(binds(specified)).toContain("/state/app /app/lib/plugins/x rw");
    expect(specified.layer.some(({ path }) => path === "/app/lib/plugins/x")).toBe(true);
    expect(targets(specified, "bind").includes("/app")).toBe(false);
  });

  test("specifyBuild() takes the /usr of a runtime that is built", () => {
    const nodes = { ...machine, "/state/app/bin": folder, "/state/app/etc/own": "text" };
    const specified = specifyBuild({ ...build, target: "/usr" }, new FakeHost(nodes, { HOME: "/home/ann" }));
    expect(binds(specified)).toContain("/state/app /usr rw");
    const links = specified.layer.flatMap((entry) => (entry.kind === "symlink" ? [entry.path] : []));
    expect(links).toContain("/bin");
    expect(links).not.toContain("/lib");
  });
});
