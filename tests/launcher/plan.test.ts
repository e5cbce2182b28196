// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  array,
  assert,
  constantFrom,
  integer,
  property,
  record,
  string,
  stringMatching,
  tuple,
  uint8Array,
} from "fast-check";
import { encodePlan, type Plan } from "../../src/sandbox/plan/index.ts";
import { buildLauncher, planCheck, Workspace } from "./support.ts";

let workspace: Workspace;
beforeAll(() => {
  buildLauncher();
  workspace = new Workspace();
});
afterAll(() => workspace[Symbol.dispose]());

function check(verb: "dump" | "damage", bytes: Uint8Array) {
  const path = workspace.file("checked", bytes);
  const result = spawnSync(planCheck, [verb, path], { timeout: 120_000 });
  return { code: result.status, stdout: result.stdout.toString(), stderr: result.stderr.toString() };
}

function fullPlan(): Plan {
  const bind = { readOnly: true, recursive: true, devices: false, noSymlinks: true, optional: false } as const;
  return workspace.plan({
    key: ["run", "org.example.App"],
    lowers: ["/config", "/app", "/runtime"],
    held: ["/config"],
    record: [
      { kind: "absent", path: "/absent" },
      {
        kind: "present",
        path: "/there",
        type: 0o100000,
        device: 2n,
        inode: 2n ** 63n,
        size: 4n,
        mtime: -5n,
        ctime: 6n,
      },
      { kind: "inode", path: "/", type: 0o040000, device: 7n, inode: 8n },
      { kind: "variable", name: "LANG", value: "C" },
      { kind: "variable", name: "DISPLAY", value: undefined },
    ],
    hostname: "box",
    cwd: "/home",
    namespaces: { network: true, ipc: false },
    dieWithParent: true,
    environment: {
      clear: true,
      set: [
        ["B", "2"],
        ["A", "1"],
        ["A1", "=x"],
      ],
      unset: ["Z", "Y"],
    },
    seccomp: new Uint8Array(24),
    command: ["/app/bin/x", ""],
    mounts: [
      { kind: "bind", source: "/", target: "/host", ...bind },
      { kind: "proc", target: "/proc" },
      { kind: "dev", target: "/dev" },
      { kind: "tmpfs", target: "/run", mode: 0o1777, size: 4096 },
      { kind: "directory", target: "/run/d", mode: 0o700 },
      { kind: "symlink", target: "/run/l", to: "../x" },
      { kind: "file", target: "/run/f", mode: 0o600, data: Buffer.from("data") },
      { kind: "instance", target: "/run/i" },
      { kind: "seal", target: "/run" },
      { kind: "info", target: "/.flatpak-info" },
    ],
    instance: {
      folder: "/run/user/1/.flatpak",
      counter: "/run/user/1/dowel/counter",
      id: "org.example.App",
      ref: "app/org.example.App/x86_64/stable",
      image: "sha256:12",
      info: ["[Instance]instance-id=", "end"],
    },
    cgroup: {
      mount: "/sys/fs/cgroup",
      required: true,
      settings: [
        ["memory.max", "4096"],
        ["io.max", "8:0 rbps=1 wbps=1"],
      ],
    },
    nested: { user: 1, pid: 2, mount: 3, ipc: 4, uts: 5, network: 6, cgroup: 7, time: 8 },
    landlock: { handled: 0xfffe, scopes: 3, rules: [{ path: "/", access: 2 }] },
  });
}

test("plan_parse() reads what encodePlan() wrote", () => {
  const { stdout, code, stderr } = check("dump", encodePlan(fullPlan()));
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toBe(`flags 61
hostname box
cwd /home
key 2
  run
  org.example.App
lowers 3
  /config
  /app
  /runtime
held 1
  /config
command 2
  /app/bin/x
  ${""}
set 3
  A=1
  A1==x
  B=2
unset 2
  Y
  Z
instance /run/user/1/.flatpak /run/user/1/dowel/counter id=org.example.App ref=app/org.example.App/x86_64/stable image=sha256:12 info=[Instance]instance-id=#end
cgroup /sys/fs/cgroup
settings 2
  memory.max=4096
  io.max=8:0 rbps=1 wbps=1
landlock handled=fffe scopes=3 rules=1
  / 2
bounds 1 2 3 4 5 6 7 8
filter 3
record 5
  absent /absent
  present /there type=100000 device=2 inode=9223372036854775808 size=4 mtime=-5 ctime=6
  inode / type=40000 device=7 inode=8 size=0 mtime=0 ctime=0
  variable LANG=C
  novariable DISPLAY
mounts 10
  bind /host flags=11 mode=0 size=0 source=/
  proc /proc flags=0 mode=0 size=0
  dev /dev flags=0 mode=0 size=0
  tmpfs /run flags=0 mode=1777 size=4096
  directory /run/d flags=0 mode=700 size=0
  symlink /run/l flags=0 mode=0 size=0 source=../x
  file /run/f flags=0 mode=600 size=0 data=data
  instance /run/i flags=0 mode=0 size=0
  seal /run flags=0 mode=0 size=0
  info /.flatpak-info flags=0 mode=0 size=0
`);
});

test("plan_parse() refuses every truncated plan and is safe with every changed byte", () => {
  const { stdout, code, stderr } = check("damage", encodePlan(fullPlan()));
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const result = JSON.parse(stdout);
  expect(result.truncationsAccepted).toBe(0);
  // Letters of names and values can change; sections, offsets and kinds hardly ever.
  expect(result.changesAccepted).toBeLessThan(result.bytes * 4 * 0.6);
});

test("plan_parse() accepts whatever encodePlan() accepts", () => {
  const name = string({ unit: constantFrom("a", "ü", "-", "="), minLength: 1, maxLength: 8 });
  const path = array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join("/")}`);
  const variable = string({ unit: constantFrom("A", "B", "0", "_", "é"), minLength: 1, maxLength: 4 });
  const mount = tuple(path, path, uint8Array({ maxLength: 9 }), constantFrom("tmpfs", "dev", "proc", "bind", "file"));
  const changes = record({
    key: array(name),
    lowers: array(path, { minLength: 2, maxLength: 16 }),
    set: array(tuple(variable, name), { maxLength: 12 }),
    unset: array(variable, { maxLength: 12 }),
    mounts: array(mount, { maxLength: 8 }),
    setting: tuple(stringMatching(/^[a-z]{1,5}\.[a-z0-9_.]{1,9}$/), name),
    rules: array(tuple(path, integer({ min: 1, max: 0xffff })), { maxLength: 4 }),
    bound: integer({ min: 0, max: 65_535 }),
  });
  assert(
    property(changes, ({ key, lowers, set, unset, mounts, setting, rules, bound }) => {
      const operations = mounts.map(([target, source, data, kind]) => operation(kind, target, source, data));
      const { instance, landlock, nested } = fullPlan();
      const plan = workspace.plan({
        ...{ key, lowers, mounts: [], environment: { clear: false, set, unset }, instance },
        cgroup: { mount: lowers[0] ?? "/x", required: bound > 9, settings: [setting] },
        landlock: landlock && {
          ...landlock,
          handled: 0xffff,
          rules: rules.map(([at, access]) => ({ path: at, access })),
        },
        nested: nested && { ...nested, user: bound },
      });
      const { stdout, code } = check("dump", encodePlan({ ...plan, mounts: operations.flat() }));
      expect(code === 0 ? "" : stdout).toBe("");
    }),
    { numRuns: 60 },
  );
});

function operation(kind: string, target: string, source: string, data: Uint8Array): Plan["mounts"][number][] {
  const flags = { readOnly: data.length > 3, recursive: true, devices: false, noSymlinks: false, optional: true };
  if (kind === "bind") return [{ kind, source, target, ...flags }];
  if (kind === "proc" || kind === "dev") return [{ kind, target }];
  const tmpfs = { kind: "tmpfs", target, mode: 0o755, size: data.length } as const;
  if (kind === "tmpfs") return [tmpfs, { kind: "seal", target }];
  return [tmpfs, { kind: "file", target: `${target}/f`, mode: 0o600, data }];
}
