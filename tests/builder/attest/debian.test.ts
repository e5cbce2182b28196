// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { packagesIn, spdxLicence } from "../../../src/builder/attest/debian.ts";

const head = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n";

test.each([
  ["License: GPL-2+\n", "GPL-2.0-or-later"],
  ["License: LGPL-2.1\n", "LGPL-2.1-only"],
  ["License: GPL-3.0+\n", "GPL-3.0-or-later"],
  ["License: Expat\n text\nLicense: GPL-2\nLicense: Expat\n", "GPL-2.0-only AND MIT"],
  ["License: GPL-2+ or BSD-3-clause\n", "(GPL-2.0-or-later OR BSD-3-Clause)"],
  ["License: Apache-2.0 and zlib\n", "Apache-2.0 AND Zlib"],
  ["License: GPL-9+\n", "LicenseRef-debian-GPL-9-"],
  ["License: GPL-2+ with Bison exception\n", "LicenseRef-debian-GPL-2-with-Bison-exception"],
])("spdxLicence() reads %p", (text, expected) => {
  expect(spdxLicence(head + text)?.expression).toBe(expected);
});

test("spdxLicence() gives what SPDX has no name for with its own name", () => {
  expect([...(spdxLicence(`${head}License: public-domain\n`)?.others ?? [])]).toEqual([
    ["LicenseRef-debian-public-domain", "public-domain"],
  ]);
});

test("spdxLicence() says nothing of a file for people", () => {
  expect(spdxLicence("This package is free.\nLicense: GPL-2\n")).toBeUndefined();
  expect(spdxLicence(`${head}Upstream-Name: x\n`)).toBeUndefined();
});

test("packagesIn() reads the list of packages that a runtime carries", () => {
  expect(packagesIn("a 1:2-3 amd64\nb 4 all\n")).toEqual([
    { name: "a", version: "1:2-3", arch: "amd64" },
    { name: "b", version: "4", arch: "all" },
  ]);
});
