// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { formatXml } from "../../../src/formats/xml/format.ts";
import { parseXml, type XmlElement } from "../../../src/formats/xml/parse.ts";

test("parseXml() reads elements, attributes, references, CDATA and comments", () => {
  const text = `<?xml version="1.0"?><!-- a --><a x="1 &lt; 2" y='"'>t&amp;&#x41;<!-- <b> --><b/><![CDATA[<c>]]></a>`;
  expect(parseXml(text, "test")).toEqual({
    name: "a",
    attributes: new Map([
      ["x", "1 < 2"],
      ["y", '"'],
    ]),
    children: ["t&A", { name: "b", attributes: new Map(), children: [] }, "<c>"],
  });
});

test.each([
  "",
  "text",
  "<a>",
  "</a>",
  "<a></b>",
  "<a/><b/>",
  "<a>&unknown;</a>",
  "<a>&</a>",
  "<a>&#0;</a>",
  "<a>\u0001</a>",
  '<a x="1" x="2"/>',
  "<a x=1/>",
  "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
  "<?php x?><a/>",
  "<a><!-- -- --></a>",
  `${"<a>".repeat(100)}${"</a>".repeat(100)}`,
])("parseXml() refuses %j", (text) => {
  expect(() => parseXml(text, "test")).toThrow(expect.objectContaining({ code: "XML_INVALID" }));
});

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9.-]{0,5}$/);
const words = fc.stringMatching(/^[ -~äß✓]{1,12}$/);
const { element } = fc.letrec<{ element: XmlElement }>((tie) => ({
  element: fc.record({
    name,
    attributes: fc
      .uniqueArray(fc.tuple(name, words), { selector: ([key]) => key, maxLength: 3 })
      .map((pairs) => new Map(pairs)),
    children: fc.oneof(
      { depthSize: "small" },
      words.map((text) => [text]),
      fc.array(tie("element"), { maxLength: 3 }),
    ),
  }),
}));

test("parseXml() reads what formatXml() wrote", () => {
  fc.assert(fc.property(element, (tree) => expect(parseXml(formatXml(tree), "test")).toEqual(tree)));
});

test("parseXml() ends in its own error or a tree whatever it reads", () => {
  const piece = fc.constantFrom(
    "<a>",
    "</a>",
    "<b/>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "&lt;",
    "&",
    "x",
    "<",
    ">",
    '="',
  );
  fc.assert(
    fc.property(fc.array(piece), (parts) => {
      try {
        return typeof parseXml(parts.join(""), "test") === "object";
      } catch (error) {
        return isDowelError(error, "XML_INVALID");
      }
    }),
  );
});

test("formatXml() writes what another reader reads", () => {
  const trees = fc.sample(element, { numRuns: 30, seed: 7 });
  const documents = trees.map((tree) => formatXml(tree));
  const script =
    "import json,sys,xml.etree.ElementTree as E\nprint(json.dumps([E.fromstring(t).tag for t in json.load(sys.stdin)]))";
  const tags: unknown = JSON.parse(
    execFileSync("python3", ["-c", script], { input: JSON.stringify(documents), encoding: "utf8" }),
  );
  expect(tags).toEqual(trees.map((tree) => tree.name));
});
