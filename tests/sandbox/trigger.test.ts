// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostArch } from "../../src/base/arch.ts";
import { spawnPlan } from "../../src/instances/spawn.ts";
import { encodePlan } from "../../src/sandbox/plan/index.ts";
import { RecordingHost } from "../../src/sandbox/probe/recording.ts";
import { runFolder } from "../../src/sandbox/run-folder.ts";
import { triggerPlan, triggerRoot } from "../../src/sandbox/trigger.ts";

test("triggerPlan() shows a program what apps export, lets it write there, and nothing else", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dowel-trigger-"));
  try {
    const places = { apps: join(folder, "app"), exports: join(folder, "exports") };
    for (const path of Object.values(places)) mkdirSync(path);
    writeFileSync(join(places.apps, "entry"), "of an app\n");
    const script = `cd ${triggerRoot}
cp app/entry exports/copy
{ touch app/new || echo app is read-only
  touch /usr/new || echo usr is read-only
  for path in ${folder} /home /root /etc/passwd /etc/shadow /var/lib /sys/fs/cgroup/cgroup.procs; do [ ! -e $path ] || echo $path is there; done
  ls /proc | grep -c '^[0-9]'
  grep -c : /proc/net/dev
  grep '^CapEff' /proc/self/status
  grep '^Seccomp:' /proc/self/status
} >exports/report 2>/dev/null`;
    const plan = triggerPlan(new RecordingHost(), places, ["/bin/sh", "-euc", script], hostArch(), runFolder());
    let said = "";
    const { code } = await spawnPlan(encodePlan(plan), [], {
      output: (chunk) => {
        said += Buffer.from(chunk).toString();
      },
      environment: {},
    });
    expect({ code, said }).toEqual({ code: 0, said: "" });
    expect(readdirSync(places.exports).sort()).toEqual(["copy", "report"]);
    expect(readFileSync(join(places.exports, "copy"), "utf8")).toBe("of an app\n");
    const [app, usr, processes, interfaces, ...rest] = readFileSync(join(places.exports, "report"), "utf8").split("\n");
    expect([app, usr, interfaces, ...rest]).toEqual([
      "app is read-only",
      "usr is read-only",
      "1",
      "CapEff:\t0000000000000000",
      "Seccomp:\t2",
      "",
    ]);
    expect(Number(processes)).toBeLessThan(6);
    expect(existsSync("/usr/new")).toBe(false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
