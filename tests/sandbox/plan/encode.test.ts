// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { DowelError } from "../../../src/base/errors.ts";
import { encodePlan, type MountOperation, type Plan, planCacheName } from "../../../src/sandbox/plan/index.ts";

const minimal: Plan = {
  key: [],
  record: [],
  namespaces: { network: false, ipc: false },
  hostname: undefined,
  lowers: ["/a", "/b"],
  held: [],
  mounts: [],
  environment: { clear: false, set: [], unset: [] },
  seccomp: new Uint8Array(0),
  cwd: undefined,
  command: ["x"],
  dieWithParent: false,
};

function bind(source: string, target: string, optional = false): MountOperation {
  return {
    kind: "bind",
    source,
    target,
    readOnly: true,
    recursive: true,
    devices: false,
    noSymlinks: false,
    optional,
  };
}

const tmpfs = (target: string, size = 0): MountOperation => ({ kind: "tmpfs", target, mode: 0o755, size });
const file = (target: string): MountOperation => ({ kind: "file", target, mode: 0o644, data: new Uint8Array(1) });
const seal = (target: string): MountOperation => ({ kind: "seal", target });

function refusal(changes: Partial<Plan>): string {
  try {
    encodePlan({ ...minimal, ...changes });
  } catch (error) {
    if (error instanceof DowelError && error.code === "PLAN_INVALID") return error.message;
    throw error;
  }
  return "";
}

test("planCacheName() is FNV-1a over the words and their NULs", () => {
  // Nothing hashed is the offset basis; a single NUL is the basis times the prime.
  expect(planCacheName([])).toBe("cbf29ce484222325");
  expect(planCacheName([""])).toBe("af63bd4c8601b7df");
  expect(planCacheName(["run", "a"])).not.toBe(planCacheName(["runa", ""]));
  expect(planCacheName(["run", "ü"])).toMatch(/^[0-9a-f]{16}$/);
});

test("encodePlan() writes the length, the version and NUL-ended strings", () => {
  const bytes = Buffer.from(encodePlan(minimal));
  expect(bytes.subarray(0, 8).toString()).toBe("DOWELPLN");
  expect(bytes.readUInt32LE(8)).toBe(6);
  expect(bytes.readUInt32LE(12)).toBe(bytes.length);
  expect(bytes.subarray(-8).toString()).toBe("/a\0/b\0x\0");
});

test("encodePlan() gives equal bytes for equal plans, whatever the order of the variables", () => {
  const one = {
    clear: false,
    set: [
      ["A", "1"],
      ["B", "2"],
    ],
    unset: ["Y", "X"],
  } as const;
  const other = {
    clear: false,
    set: [
      ["B", "0"],
      ["A", "1"],
      ["B", "2"],
    ],
    unset: ["X", "Y", "X"],
  } as const;
  expect(encodePlan({ ...minimal, environment: one })).toEqual(encodePlan({ ...minimal, environment: other }));
});

describe("encodePlan() refuses", () => {
  test.each(["", "relative", "/", "/a/", "//a", "/a//b", "/a/./b", "/a/..", "/..", `/${"x".repeat(256)}`, "/x\0y"])(
    "the target %j",
    (target) => {
      expect(refusal({ mounts: [tmpfs(target)] })).not.toBe("");
    },
  );

  test("a source and a folder of the root that are not normal", () => {
    expect(refusal({ mounts: [bind("a", "/b")] })).toContain('"a"');
    expect(refusal({ mounts: [bind("/a/../b", "/b")] })).toContain('"/a/../b"');
    expect(refusal({ mounts: [bind("/", "/b")] })).toBe("");
    expect(refusal({ lowers: ["/a", "/b/"] })).toContain('"/b/"');
    expect(refusal({ cwd: "x" })).toContain('"x"');
    expect(refusal({ record: [{ kind: "absent", path: "x" }] })).toContain('"x"');
  });

  test("names that would be made outside an unsealed tmpfs of the plan", () => {
    expect(refusal({ mounts: [file("/etc/x")] })).toContain("/etc/x");
    expect(refusal({ mounts: [tmpfs("/run"), file("/run")] })).toContain("/run");
    expect(refusal({ mounts: [tmpfs("/run"), file("/runner")] })).toContain("/runner");
    expect(refusal({ mounts: [tmpfs("/run"), bind("/x", "/run/x"), file("/run/x/y")] })).toContain("/run/x/y");
    expect(refusal({ mounts: [tmpfs("/run/a"), bind("/x", "/run"), file("/run/a/y")] })).toContain("/run/a/y");
    expect(refusal({ mounts: [tmpfs("/run"), seal("/run"), file("/run/x")] })).toContain("/run/x");
    expect(refusal({ mounts: [bind("/x", "/run"), tmpfs("/run/a"), file("/run/a/y")] })).toBe("");
    expect(refusal({ mounts: [{ kind: "dev", target: "/dev" }, file("/dev/x")] })).toBe("");
  });

  test("seals on what the plan does not surely mount", () => {
    expect(refusal({ mounts: [seal("/run")] })).toContain("/run");
    expect(refusal({ mounts: [tmpfs("/run"), seal("/run/x")] })).toContain("/run/x");
    expect(refusal({ mounts: [bind("/a", "/b", true), seal("/b")] })).toContain("/b");
    expect(refusal({ mounts: [bind("/a", "/b"), tmpfs("/b/c"), seal("/b")] })).toBe("");
  });

  test("counts, sizes and modes past the limits", () => {
    expect(refusal({ lowers: ["/a"] })).not.toBe("");
    expect(refusal({ lowers: Array.from({ length: 17 }, (_, index) => `/${index}`) })).not.toBe("");
    expect(refusal({ command: [] })).not.toBe("");
    expect(refusal({ command: [""] })).not.toBe("");
    expect(refusal({ seccomp: new Uint8Array(7) })).not.toBe("");
    expect(refusal({ seccomp: new Uint8Array(4097 * 8) })).not.toBe("");
    expect(refusal({ mounts: [tmpfs("/a", -1)] })).not.toBe("");
    expect(refusal({ mounts: [tmpfs("/a", 0.5)] })).not.toBe("");
    expect(refusal({ mounts: [{ kind: "tmpfs", target: "/a", mode: 0o4755, size: 0 }] })).not.toBe("");
    expect(refusal({ hostname: "x".repeat(65) })).not.toBe("");
    expect(refusal({ hostname: "" })).not.toBe("");
    expect(refusal({ mounts: Array.from({ length: 513 }, (_, index) => bind("/a", `/${index}`)) })).not.toBe("");
    expect(refusal({ command: ["x", "y".repeat(17 * 1024 * 1024)] })).not.toBe("");
  });

  test("instances, control groups, rules and bounds that are malformed", () => {
    const instance = { folder: "/i", counter: "/c", id: "a.b", ref: "r", image: "", info: ["", ""] } as const;
    const cgroup = { mount: "/m", required: false, settings: [] };
    expect(refusal({ instance, cgroup })).toBe("");
    expect(refusal({ cgroup })).toContain("instance");
    expect(refusal({ mounts: [{ kind: "info", target: "/x" }] })).toContain("/x");
    expect(refusal({ instance, mounts: [{ kind: "instance", target: "/x/y" }] })).toContain("/x/y");
    for (const id of ["", ".", "..", ".a", "a/b", "a b", "x".repeat(256)]) {
      expect(refusal({ instance: { ...instance, id } })).not.toBe("");
    }
    expect(refusal({ instance: { ...instance, folder: "i" } })).toContain('"i"');
    expect(refusal({ instance: { ...instance, counter: "/" } })).toContain('"/"');
    expect(refusal({ instance: { ...instance, ref: "x".repeat(1021) } })).not.toBe("");
    for (const [file, value] of [
      ["memory", "1"],
      ["../x.y", "1"],
      ["a/b.c", "1"],
      ["a=.b", "1"],
      ["memory.max", ""],
      ["memory.max", "1".repeat(1020)],
    ] as const) {
      expect(refusal({ instance, cgroup: { ...cgroup, settings: [[file, value]] } })).not.toBe("");
    }
    const landlock = { handled: 6, scopes: 0, rules: [] };
    expect(refusal({ landlock: { ...landlock, rules: [{ path: "/x", access: 6 }] } })).toBe("");
    expect(refusal({ landlock: { ...landlock, rules: [{ path: "/x", access: 8 }] } })).toContain("/x");
    expect(refusal({ landlock: { ...landlock, rules: [{ path: "/x", access: 0 }] } })).toContain("/x");
    expect(refusal({ landlock: { ...landlock, scopes: 4 } })).not.toBe("");
    const bounds = { user: 1, pid: 1, mount: 1, ipc: 1, uts: 1, network: 1, cgroup: 1, time: 1 };
    expect(refusal({ nested: bounds })).toBe("");
    expect(refusal({ nested: { ...bounds, time: 65_536 } })).not.toBe("");
  });

  test("variables that could not be set", () => {
    for (const name of ["", "A=B", "A\0B"]) {
      expect(refusal({ environment: { clear: false, set: [[name, "x"]], unset: [] } })).not.toBe("");
      expect(refusal({ environment: { clear: false, set: [], unset: [name] } })).not.toBe("");
    }
  });
});
