// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseAppdata } from "../../src/metadata/appdata.ts";

test("parseAppdata() reads the untranslated name, summary, license and newest version", () => {
  const xml = `<?xml version="1.0"?>
<!-- <name>not this</name> -->
<component type="desktop-application">
  <id>org.test.App</id>
  <name xml:lang="de">Beispiel</name>
  <name>An &quot;App&quot; &amp; more &#x2713;</name>
  <summary>
    Does
    things
  </summary>
  <developer id="x"><name>Somebody</name></developer>
  <project_license><![CDATA[GPL-3.0 <or later>]]></project_license>
  <provides><binary>x</binary></provides>
  <keywords><keyword>first</keyword><keyword xml:lang="de">nicht</keyword><keyword>two words</keyword></keywords>
  <releases><release date="2026-01-02" version='2.0'/><release version="1.0"><description/></release></releases>
</component>`;
  expect(parseAppdata(xml)).toEqual({
    name: 'An "App" & more ✓',
    summary: "Does things",
    license: "GPL-3.0 <or later>",
    version: "2.0",
    keywords: "first,two words",
  });
});

test("parseAppdata() takes the first component of a collection", () => {
  const xml =
    "<components><component><name>One</name></component><component><name>Two</name><summary>2</summary></component></components>";
  expect(parseAppdata(xml)).toEqual({ name: "One" });
});

test.each([
  "",
  "no xml",
  "<component><name>cut",
  "<component><name",
  "<component></component></component>",
  "<!--",
  "<![CDATA[",
])("parseAppdata() keeps calm with %p", (xml) => {
  expect(Object.keys(parseAppdata(xml)).every((key) => key === "name")).toBe(true);
});

test("parseAppdata() never throws", () => {
  const piece = fc.constantFrom(
    "<component>",
    "<name>",
    "</name>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "&#99999999;",
    "&lt;",
    "a",
    "<",
    ">",
    "/",
  );
  fc.assert(fc.property(fc.array(piece), (parts) => typeof parseAppdata(parts.join("")) === "object"));
});

test("parseAppdata() is done quickly with text made to be slow", () => {
  const start = performance.now();
  parseAppdata("<".repeat(500_000));
  parseAppdata(`<component>${"<a ".repeat(100_000)}`);
  parseAppdata(`<component><name>${"&".repeat(500_000)}`);
  expect(performance.now() - start).toBeLessThan(2000);
});
