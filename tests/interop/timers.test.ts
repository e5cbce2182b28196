// SPDX-License-Identifier: Apache-2.0
// An app in its sandbox sets a timer, ends, and is started by the service when the time has come.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { runFolderPath } from "../../src/sandbox/run-folder.ts";
import { askStatus } from "../../src/session/service/status.ts";
import { until } from "../support/until.ts";
import { Desktop } from "./desktop.ts";

const id = "org.example.Clock";
/** What the app does when it is started without words: it writes down why. */
const command = `#!/bin/sh
printf '%s' "$DOWEL_TIMERS" >"$XDG_DATA_HOME/woken.new" && mv "$XDG_DATA_HOME/woken.new" "$XDG_DATA_HOME/woken"
`;
const portal =
  "gdbus call --session --dest org.freedesktop.portal.Desktop --object-path /org/freedesktop/portal/desktop";

let desktop: Desktop;
const woken = () => desktop.pit.path(`home/.var/app/${id}/data/woken`);

beforeAll(async () => {
  desktop = await Desktop.start(["sh", "cat", "gdbus", "mv"]);
  desktop.install(id, "", { "files/bin/wake": command }, "/app/bin/wake");
  desktop.variables["DOWEL_REQUIRE_CGROUP"] = "no";
});
afterAll(async () => {
  await desktop[Symbol.asyncDispose]();
});

async function set(name: string, more: string): Promise<string> {
  return await desktop.output(id, `${portal} --method org.dowel.portal.Timers.Set ${name} "{${more}}"`);
}

async function list(): Promise<string> {
  return await desktop.output(id, `${portal} --method org.dowel.portal.Timers.List`);
}

test("an app without permission sets none", async () => {
  await set("alarm", "'interval': <uint32 3600>");
  expect(await list()).toBe("(@a{sa{sv}} {},)\n");
}, 120_000);

test("an app that has ended is started when its time has come, also by a service that came back", async () => {
  desktop.pit.succeed(["permission-set", "timers", "timers", id, "yes"]);
  await set("feeds", "'interval': <uint32 7200>, 'data': <'all'>");
  const far = Math.floor(Date.now() / 1000) + 3600;
  await set("alarm", `'at': <int64 ${far}>, 'accuracy': <uint32 0>, 'data': <'tea'>`);
  // Nobody waits there for the answer, which is given when it is asked whether the app may.
  const table = await until("both are set", () => {
    const rows: unknown[] = JSON.parse(desktop.pit.succeed(["timers", "list", "--json"]));
    return rows.length === 2 && rows;
  });
  expect(table).toMatchObject([
    { app: id, name: "feeds", interval: 7_200_000, data: "all" },
    { app: id, name: "alarm", due: far * 1000, data: "tea" },
  ]);
  // As if the hour were over: the service that runs has its own clock set, the next one looks.
  const file = desktop.pit.path(`home/.local/share/dowel/timers/${id}.json`);
  const due = Math.floor(Date.now() / 1000) + 1;
  writeFileSync(file, readFileSync(file, "utf8").replace(`"due": ${far}000`, `"due": ${due}000`));
  const socket = `${desktop.pit.path("run")}/dowel/session.sock`;
  const { pid } = askStatus(existsSync(socket) ? socket : `${runFolderPath(65_534)}/session.sock`);
  process.kill(pid, "SIGKILL");
  await until("the app is started", () => existsSync(woken()));
  expect(JSON.parse(readFileSync(woken(), "utf8"))).toEqual([{ name: "alarm", data: "tea", due }]);
  await until("the timer is forgotten", () => !desktop.pit.succeed(["timers", "list"]).includes("alarm"));
}, 120_000);

test("timers remove takes them away", () => {
  expect(desktop.pit.succeed(["timers", "remove", id, "feeds"])).toBe(`Removed feeds of ${id}\n`);
  for (const words of [[id], [id, "feeds"], ["../x"]]) {
    const { status, stderr } = desktop.pit.dowel(["timers", "remove", ...words]);
    expect(status).toBe(1);
    expect(stderr).toContain("error");
  }
  expect(desktop.pit.succeed(["timers", "list", "--json"])).toBe("[]\n");
}, 120_000);
