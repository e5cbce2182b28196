// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { callingApp } from "../../../src/session/portals/app.ts";
import { decideBy, decideByFile, parsePortalPolicy } from "../../../src/session/portals/policy.ts";

const rule = (app: string, table: string, id: string, decision: string) => ({ app, table, id, decision });
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-policy-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("decideBy()", () => {
  const policy = parsePortalPolicy(
    JSON.stringify({
      rules: [
        rule("org.example.App", "devices", "camera", "no"),
        rule("org.example.*", "devices", "*", "yes"),
        rule("*", "location", "location", "ask"),
      ],
    }),
    "policy",
  );

  test.each([
    ["org.example.App", "devices", "camera", "no"],
    ["org.example.App", "devices", "speakers", "yes"],
    ["org.example.Other", "devices", "camera", "yes"],
    ["org.example", "devices", "camera", undefined],
    ["org.examples.App", "devices", "camera", undefined],
    ["net.other", "location", "location", "ask"],
    ["net.other", "background", "background", undefined],
  ])("%s may use %s %s: %p", (app, table, id, decision) => {
    expect(decideBy(policy, app, table, id)).toBe(decision as "yes");
  });
});

test.each([
  ["[]", "the document must be an object"],
  ["{", "not valid JSON"],
  ['{"rule": []}', "rule must be one of rules, log"],
  [
    '{"rules": [{"app": "a", "table": "b", "id": "c", "decision": "perhaps"}]}',
    "rules.0.decision must be yes, no or ask",
  ],
  ['{"rules": [{"app": 1, "table": "b", "id": "c", "decision": "yes"}]}', "rules.0.app must be a string"],
  ['{"log": "here"}', "log must be an absolute path"],
])("parsePortalPolicy() refuses %s", (text, message) => {
  expect(() => parsePortalPolicy(text, "policy")).toThrow(message);
});

describe("decideByFile()", () => {
  const app = callingApp("/none", "org.example.App", "7");

  test("logs what a rule decides, and leaves the rest to the portal", async () => {
    const [path, log] = [join(folder, "good.json"), join(folder, "log")];
    const failures: unknown[] = [];
    const decide = decideByFile(
      path,
      (error) => failures.push(error),
      async (_app, _table, _id, otherwise) => otherwise,
    );
    expect(await decide(app, "devices", "camera", "ask")).toBe("ask");
    writeFileSync(path, JSON.stringify({ rules: [rule("*", "devices", "camera", "no")], log }));
    expect(await decide(app, "devices", "camera", "yes")).toBe("no");
    expect(await decide(app, "devices", "speakers", "yes")).toBe("yes");
    const lines = readFileSync(log, "utf8").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { app: "org.example.App", instance: "7", table: "devices", id: "camera", decision: "no" },
    ]);
    expect(failures).toEqual([]);
  });

  test("lets nothing through where the policy or its log is broken", async () => {
    const path = join(folder, "bad.json");
    const failures: unknown[] = [];
    const decide = decideByFile(
      path,
      (error) => failures.push(error),
      async (_app, _table, _id, otherwise) => otherwise,
    );
    const logs = ["none/log", "link", "pipe", "."].map((name) => join(folder, name));
    writeFileSync(join(folder, "target"), "");
    symlinkSync("target", join(folder, "link"));
    execFileSync("mkfifo", [join(folder, "pipe")]);
    const reader = openSync(join(folder, "pipe"), constants.O_RDONLY | constants.O_NONBLOCK);
    for (const text of ["{", ...logs.map((log) => JSON.stringify({ rules: [rule("*", "*", "*", "yes")], log }))]) {
      writeFileSync(path, text);
      expect(await decide(app, "devices", "camera", "yes")).toBe("no");
    }
    closeSync(reader);
    // Nor is a pipe waited for that nobody reads.
    writeFileSync(path, JSON.stringify({ rules: [rule("*", "*", "*", "yes")], log: join(folder, "pipe") }));
    expect(await decide(app, "devices", "camera", "yes")).toBe("no");
    expect(failures.length).toBe(6);
    expect(readFileSync(join(folder, "target"), "utf8")).toBe("");
  });
});
