// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { app, plan, platform, type Row, steps } from "../engine/resolve/tables.ts";

const hello = app("Hello");
const current: Row = { ref: platform, commit: "new" };

/** What an update makes of an image of Hello with these labels, beside further images of its remote. */
function updated(row: Omit<Row, "ref">, ...others: readonly Row[]) {
  const table = {
    installed: [{ ref: hello }, current],
    remotes: { main: [{ ref: hello, ...row }, current, ...others] },
  };
  return { steps: steps(table, { [hello]: "update" }), notes: plan(table, { [hello]: "update" }).plan.notes };
}

test.each([
  ["text that is no ref", "../../etc/passwd"],
  ["a ref with control characters", "app/org.test.\u001b[2J/x86_64/stable"],
  ["itself", hello],
  ["nothing", ""],
])("a successor that is %s leaves the app alone", (_, successor) => {
  expect(updated({ ends: { "endoflife-rebase": successor } }).steps).toEqual([`update ${hello}`]);
});

test.each(["", "AAAA", "!!!", "c3RhYmxl", Buffer.from("text\0s").toString("base64")])(
  "a label of the end of life that is no variant, %j, says nothing",
  (label) => {
    const name = "org.flatpak.commit-metadata.ostree.endoflife";
    expect(updated({ labels: { [name]: label, [`${name}-rebase`]: label } })).toEqual({
      steps: [`update ${hello}`],
      notes: [],
    });
  },
);

test("a successor that the remote does not have removes nothing", () => {
  const { steps: done, notes } = updated({ ends: { "endoflife-rebase": app("Missing") } });
  expect(done).toEqual([`update ${hello}`]);
  expect(notes[0]?.text).toContain("end of its life");
});

test("a remote cannot take away a runtime that apps use, whatever successor it names", () => {
  const other = "runtime/org.test.Other/x86_64/1";
  const table = {
    installed: [{ ref: hello, commit: "new" }, { ref: platform }],
    remotes: { main: [{ ref: hello }, { ref: platform, ends: { "endoflife-rebase": other } }, { ref: other }] },
  };
  expect(steps(table, { [platform]: "update", [hello]: "update" })).toEqual([`update ${platform}`]);
});

test("thousands of extensions for one app are not installed", () => {
  const many = Array.from({ length: 3000 }, (_, n) => ({ ref: `runtime/org.test.Hello.E${n}/x86_64/stable` }));
  const groups = "[Extension org.test.Hello]\ndirectory=x\nsubdirectories=true\n";
  const { steps: done, notes } = updated({ groups }, ...many);
  expect(done).toEqual([`update ${hello}`]);
  expect(notes[0]?.text).toContain("more than 1000 extensions");
});

test("extensions that extend each other in a circle end", () => {
  const point = (id: string): string => `[Extension ${id}]\ndirectory=x\nversion=1\n`;
  const [a, b] = ["runtime/org.test.A/x86_64/1", "runtime/org.test.B/x86_64/1"];
  const main = [
    { ref: a, groups: point("org.test.B") },
    { ref: b, groups: point("org.test.A") },
  ];
  expect(steps({ remotes: { main } }, { [a]: "install" })).toEqual([`install ${a}`, `install ${b}`]);
  const installed = main.map((row) => ({ ...row, commit: "new" }));
  expect(steps({ installed, remotes: { main } }, { [a]: "uninstall" })).toEqual([`uninstall ${a}`]);
});
