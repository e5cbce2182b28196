// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { formatManual } from "../../src/render/manual.ts";

test("formatManual() lets no text be read as a request of roff", () => {
  const page = formatManual(
    {
      page: "dowel-list",
      brief: "List what is installed",
      synopsis: "[OPTION…]",
      paragraphs: [".so /etc/passwd\n'ig", "A \\fB word"],
      lists: [{ title: "Options", items: [["--columns=NAMES, -c", ".x"]] }],
      seeAlso: ["dowel"],
    },
    "0.1.0",
  );
  expect(page).toBe(
    [
      '.TH DOWEL\\-LIST 1 "" "Dowel 0.1.0" "Dowel"',
      ".SH NAME",
      "dowel\\-list \\- List what is installed",
      ".SH SYNOPSIS",
      ".B dowel list",
      "[OPTION…]",
      ".SH DESCRIPTION",
      "\\&.so /etc/passwd",
      "\\&'ig",
      ".PP",
      "A \\efB word",
      ".SH OPTIONS",
      ".TP",
      ".B \\-\\-columns=NAMES, \\-c",
      "\\&.x",
      ".SH SEE ALSO",
      "\\fBdowel\\fR(1)",
      "",
    ].join("\n"),
  );
});
