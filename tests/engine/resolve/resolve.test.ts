// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { DowelError } from "../../../src/base/errors.ts";
import { app, plan, platform, steps, type Table, type Wishes } from "./tables.ts";

const hello = app("Hello");
const next = app("Next");
const locale = "runtime/org.test.Hello.Locale/x86_64/stable";
const gl = "runtime/org.test.Platform.GL.nvidia/x86_64/1";
const localePoint = "[Extension org.test.Hello.Locale]\ndirectory=locale\nautodelete=true\nlocale-subset=true\n";
const glPoint =
  "[Extension org.test.Platform.GL]\ndirectory=gl\nsubdirectories=true\ndownload-if=nvidia\nautoprune-unless=nvidia\n";
const gone = new DowelError("REGISTRY_UNREACHABLE", "it is down");

const cases: readonly (readonly [name: string, table: Table, wishes: Wishes, expected: readonly string[]])[] = [
  [
    "an app brings its runtime from the remote of highest priority that has it",
    { remotes: { apps: [{ ref: hello }], high: [{ ref: platform }], low: [{ ref: platform }] } },
    { [hello]: "install" },
    [`install ${platform}`, `install ${hello}`],
  ],
  [
    "a runtime that another installation has is not installed",
    { installed: [{ ref: platform, installation: "there" }], remotes: { apps: [{ ref: hello }] } },
    { [hello]: "install" },
    [`install ${hello}`],
  ],
  [
    "a runtime that is here from the same remote is updated with a new app",
    { installed: [{ ref: platform }], remotes: { main: [{ ref: hello }, { ref: platform }] } },
    { [hello]: "install" },
    [`update ${platform}`, `install ${hello}`],
  ],
  [
    "extensions come with what they extend, by their conditions",
    {
      remotes: {
        main: [{ ref: hello, groups: localePoint }, { ref: platform, groups: glPoint }, { ref: locale }, { ref: gl }],
      },
    },
    { [hello]: "install" },
    [`install ${platform}`, `install ${locale}`, `install ${hello}`],
  ],
  [
    "an extension comes where its reason holds",
    { remotes: { main: [{ ref: platform, groups: glPoint }, { ref: gl }] }, holds: ["nvidia"] },
    { [platform]: "install" },
    [`install ${platform}`, `install ${gl}`],
  ],
  [
    "no extension comes where none is wanted, or where it is masked",
    {
      remotes: { main: [{ ref: hello, groups: localePoint }, { ref: platform }, { ref: locale }] },
      masked: ["org.test.*.Locale"],
    },
    { [hello]: "install" },
    [`install ${platform}`, `install ${hello}`],
  ],
  [
    "an update of something masked is passed over",
    { installed: [{ ref: hello }], remotes: { main: [{ ref: hello }] }, masked: ["app/org.test.Hello"] },
    { [hello]: "update" },
    [],
  ],
  [
    "an update takes the successor and removes the old app",
    {
      installed: [
        { ref: hello, previousIds: ["org.test.Older"] },
        { ref: platform, commit: "new" },
      ],
      remotes: { main: [{ ref: hello, ends: { "endoflife-rebase": next } }, { ref: next }, { ref: platform }] },
    },
    { [hello]: "update" },
    [`install ${next}`, `uninstall ${hello}`],
  ],
  [
    "a successor that was declined leaves the update of the old app",
    {
      installed: [{ ref: hello }, { ref: platform, commit: "new" }],
      remotes: { main: [{ ref: hello, ends: { "endoflife-rebase": next } }, { ref: next }, { ref: platform }] },
      options: { declined: new Set([hello]) },
    },
    { [hello]: "update" },
    [`update ${hello}`],
  ],
  [
    "two apps that name each other as successor end",
    {
      installed: [{ ref: hello }, { ref: platform, commit: "new" }],
      remotes: {
        main: [
          { ref: hello, ends: { "endoflife-rebase": next } },
          { ref: next, ends: { "endoflife-rebase": hello } },
          { ref: platform },
        ],
      },
    },
    { [hello]: "update" },
    [`install ${next}`, `uninstall ${hello}`],
  ],
  [
    "a runtime that nobody maintains goes when the last app leaves it",
    {
      installed: [{ ref: hello }, { ref: platform, ends: { endoflife: "old" } }],
      remotes: { main: [{ ref: hello, runtime: platform.replace("/1", "/2") }, { ref: platform.replace("/1", "/2") }] },
    },
    { [hello]: "update" },
    [`install ${platform.replace("/1", "/2")}`, `update ${hello}`, `uninstall ${platform}`],
  ],
  [
    "a pinned runtime stays, maintained or not",
    {
      installed: [{ ref: hello }, { ref: platform, ends: { endoflife: "old" } }],
      remotes: { main: [{ ref: hello, runtime: platform.replace("/1", "/2") }, { ref: platform.replace("/1", "/2") }] },
      pinned: ["org.test.Platform"],
    },
    { [hello]: "update" },
    [`install ${platform.replace("/1", "/2")}`, `update ${hello}`],
  ],
  [
    "an app goes with its extensions, and not with those of others",
    {
      installed: [
        { ref: hello, groups: localePoint },
        { ref: locale },
        { ref: platform, groups: "[Extension org.test.Shared]\ndirectory=x\nversion=1\nautodelete=true\n" },
        { ref: "runtime/org.test.Shared/x86_64/1" },
      ],
    },
    { [hello]: "uninstall" },
    [`uninstall ${hello}`, `uninstall ${locale}`],
  ],
  [
    "a successor that may do more waits in the background",
    {
      installed: [{ ref: hello }, { ref: platform, commit: "new" }],
      remotes: {
        main: [
          { ref: hello, ends: { "endoflife-rebase": next } },
          { ref: next, groups: "[Context]\nshared=network;\n" },
          { ref: platform },
        ],
      },
      options: { holdGrowth: true },
    },
    { [hello]: "update" },
    [],
  ],
  [
    "an update that wants more waits in the background, and other updates do not",
    {
      installed: [{ ref: hello }, { ref: next }, { ref: platform, commit: "new" }],
      remotes: {
        main: [{ ref: hello, groups: "[Context]\nshared=network;\n" }, { ref: next }, { ref: platform }],
      },
      options: { holdGrowth: true },
    },
    { [hello]: "update", [next]: "update" },
    [`update ${next}`],
  ],
];

describe("resolve()", () => {
  test.each(cases)("%s", (_, table, wishes, expected) => {
    expect(steps(table, wishes)).toEqual([...expected]);
  });

  test("asks only the remotes that a plan depends on", () => {
    const table: Table = {
      installed: [
        { ref: hello, commit: "new" },
        { ref: platform, commit: "new", origin: "other" },
      ],
      remotes: { main: [{ ref: hello }], other: [{ ref: platform }], third: [] },
    };
    expect(plan(table, { [hello]: "update", [platform]: "update" }).asked.toSorted()).toEqual(["main", "other"]);
  });

  test("goes by the remotes that answer, and says which do not", () => {
    const table: Table = { remotes: { apps: [{ ref: hello }], down: gone, low: [{ ref: platform }] } };
    const { operations, notes } = plan(table, { [hello]: "install" }).plan;
    expect(operations).toHaveLength(2);
    expect(notes).toEqual([{ type: "warning", text: "Remote down: it is down" }]);
  });

  test("notes that a successor takes over the data of all its predecessors", () => {
    const table: Table = {
      installed: [{ ref: hello, previousIds: ["org.test.Older"] }],
      remotes: { main: [{ ref: hello, ends: { "endoflife-rebase": next } }, { ref: next }, { ref: platform }] },
    };
    const { operations, rebases } = plan(table, { [hello]: "update" }).plan;
    expect(operations[1]).toMatchObject({ previousIds: ["org.test.Older", "org.test.Hello"] });
    expect(operations[2]).toMatchObject({ operation: "uninstall", needs: [next] });
    expect([...rebases]).toEqual([[hello, next]]);
  });

  test("follows a chain of successors to its end", () => {
    const last = app("Last");
    const rows = [
      { ref: hello, ends: { "endoflife-rebase": next } },
      { ref: next, ends: { "endoflife-rebase": last } },
      { ref: last },
      { ref: platform },
    ];
    const { operations } = plan({ installed: [{ ref: hello }], remotes: { main: rows } }, { [hello]: "update" }).plan;
    expect(operations.slice(1)).toMatchObject([
      { operation: "install", ref: { id: "org.test.Last" }, previousIds: ["org.test.Hello", "org.test.Next"] },
      { operation: "uninstall", ref: { id: "org.test.Hello" }, needs: [last] },
    ]);
  });

  test("pins a runtime that is asked for, but not one that is only needed", () => {
    const table: Table = { remotes: { main: [{ ref: hello }, { ref: platform }] } };
    expect(plan(table, { [platform]: "install" }).plan.operations).toMatchObject([{ pin: true }]);
    expect(plan(table, { [hello]: "install" }).plan.operations).toMatchObject([{ pin: false }, { pin: false }]);
    const without = { ...table, options: { noAutoPin: true } };
    expect(plan(without, { [platform]: "install" }).plan.operations).toMatchObject([{ pin: false }]);
  });

  test.each([
    ["1.99.0", "VERSION_REQUIRED"],
    ["1.99.0;1.18.0", undefined],
    ["1.99.0;1.18.9", "VERSION_REQUIRED"],
    ["0.11.1", undefined],
    ["no version", "METADATA_INVALID"],
  ])("judges required-flatpak=%s", (required, code) => {
    const remote = [{ ref: hello, groups: "" }, { ref: platform }];
    const needs = remote.map((row) => (row.ref === hello ? { ...row, groups: `required-flatpak=${required}\n` } : row));
    const install = (): unknown => plan({ remotes: { main: needs } }, { [hello]: "install" });
    if (code === undefined) expect(install()).toBeDefined();
    else expect(install).toThrow(expect.objectContaining({ code }));
  });

  test("lets all of an installation go though another needs a runtime of it, and says so", () => {
    const table: Table = {
      installed: [{ ref: platform }, { ref: hello, installation: "there" }],
      options: { removesAll: true },
    };
    const { operations, notes } = plan(table, { [platform]: "uninstall" }).plan;
    expect(operations).toHaveLength(1);
    expect(notes[0]?.text).toContain("in another installation");
    expect(() => plan({ ...table, options: {} }, { [platform]: "uninstall" })).toThrow(
      expect.objectContaining({ code: "RUNTIME_USED" }),
    );
  });
});
