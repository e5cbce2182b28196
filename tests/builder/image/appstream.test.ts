// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { appstreamLabels } from "../../../src/builder/image/appstream.ts";
import { type Tree, textContent } from "../../../src/builder/tree/types.ts";

const id = "org.test.App";
const file = (text: string) => ({ kind: "file", executable: false, content: textContent(text) }) as const;

test("appstreamLabels() takes what the app exports, or has where it would be exported from", () => {
  const tree: Tree = new Map([
    [`files/share/metainfo/${id}.metainfo.xml`, file("<component/>")],
    [`export/share/icons/hicolor/64x64/apps/${id}.png`, file("png")],
    ["export/share/icons/hicolor/128x128/apps/org.test.Other.png", file("other")],
  ]);
  expect([...appstreamLabels(tree, { id })]).toEqual([
    ["org.freedesktop.appstream.icon-64", `data:image/png;base64,${Buffer.from("png").toString("base64")}`],
    [
      "org.freedesktop.appstream.appdata",
      `<components version="0.8" origin="${id}"><component><icon type="cached" width="64" height="64">${id}.png</icon></component></components>`,
    ],
  ]);
});

test("appstreamLabels() leaves out what is too large for a label", () => {
  const tree: Tree = new Map([[`export/share/metainfo/${id}.metainfo.xml`, file("x".repeat(300_000))]]);
  expect([...appstreamLabels(tree, { id })]).toEqual([]);
});

test.each(["<component>", "no XML", "<components><component/></components>"])(
  "appstreamLabels() leaves %p as it is",
  (text) => {
    const tree: Tree = new Map([[`export/share/metainfo/${id}.metainfo.xml`, file(text)]]);
    expect([...appstreamLabels(tree, { id })]).toEqual([["org.freedesktop.appstream.appdata", text]]);
  },
);
