// SPDX-License-Identifier: Apache-2.0
// The second wall: what Landlock denies although the mounts would let it through.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import type { LandlockPlan } from "../../src/sandbox/plan/index.ts";
import { landlockVersion } from "../../src/sys/process.ts";
import { buildLauncher, firstRecord, launch, ordinaryUser, Workspace } from "./support.ts";

let workspace: Workspace;
beforeAll(() => {
  buildLauncher();
  workspace = new Workspace();
});
afterAll(() => workspace[Symbol.dispose]());

const version = landlockVersion();
const changing = 0b1111111111110010;
const landlock = (changes: Partial<LandlockPlan>): LandlockPlan => ({
  handled: changing,
  scopes: 0,
  rules: [
    { path: "/run", access: changing },
    { path: "/dev", access: changing },
    { path: "/none", access: changing },
  ],
  ...changes,
});

// Before Linux 5.19 Landlock forbids every move to another folder, so Dowel leaves files to the mounts.
describe.skipIf(version < 2)("launch() with Landlock", () => {
  for (const user of [0, ordinaryUser]) {
    test(`launch() gives below a rule what the mounts give, and nothing beside it, as user ${user}`, () => {
      const plan = workspace.plan({ landlock: landlock({}) }, [
        { kind: "tmpfs", target: "/run/own", mode: 0o1777, size: 0 },
      ]);
      const { records, stderr } = launch(workspace, plan, ["files", "/run/own", "/tmp", "/dev/null", "/dev/shm"], {
        user,
      });
      expect(stderr).toBe("");
      expect(records.map(({ path, write }) => [path, write])).toEqual([
        ["/run/own", "OK"],
        ["/tmp", "EACCES"],
        ["/dev/null", "OK"],
        ["/dev/shm", "OK"],
      ]);
    });

    test(`launch() lets the caller's own files be opened once more, as user ${user}`, () => {
      const plan = workspace.plan({ landlock: landlock({ rules: [] }), command: ["/bin/probe", "files"] });
      const record = firstRecord(launch(workspace, plan, ["/proc/self/fd/0", "/tmp"], { user }));
      // The descriptor leads to the host's /dev/null.
      expect(record).toMatchObject({ path: "/proc/self/fd/0", kind: "symlink" });
    });
  }

  // Landlock has scopes since Linux 6.12.
  test.skipIf(version < 6)(
    "launch() keeps abstract sockets of the host out of reach where the scope says so",
    async () => {
      const name = `dowel-test-${process.pid}`;
      const server = createServer().listen(`\0${name}`);
      await new Promise<void>((done) => server.once("listening", () => done()));
      const namespaces = { network: false, ipc: true };
      const reach = (scopes: number) => {
        const plan = workspace.plan({ namespaces, landlock: landlock({ scopes }) });
        return firstRecord(launch(workspace, plan, ["network", "1", name]))["abstract"];
      };
      expect(reach(0)).toBe("OK");
      expect(reach(1)).toBe("EPERM");
      server.close();
    },
  );

  test("launch() with Landlock leaves the app its rights to processes of its own", () => {
    const plan = workspace.plan({ landlock: landlock({ scopes: 3 }) });
    expect(launch(workspace, plan, ["signal", "15"]).code).toBe(143);
    expect(launch(workspace, plan, ["orphans"]).code).toBe(0);
  });
});
