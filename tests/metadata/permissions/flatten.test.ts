// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseKeyfile } from "../../../src/formats/keyfile/parse.ts";
import { formatOverrides } from "../../../src/metadata/overrides.ts";
import { readPermissions } from "../../../src/metadata/permissions/codec.ts";
import { onlyHarmless, withoutDenials } from "../../../src/metadata/permissions/flatten.ts";
import { mergePermissions } from "../../../src/metadata/permissions/merge.ts";
import { noPermissions } from "../../../src/metadata/permissions/model.ts";
import { readUsbListFile } from "../../../src/metadata/permissions/usb.ts";
import { permissions } from "./arbitrary.ts";

const read = (text: string) => readPermissions(parseKeyfile(text, "test"));

describe("withoutDenials()", () => {
  test("withoutDenials() leaves what is given, and conditions", () => {
    const text =
      "[Context]\nshared=!ipc;network;\ndevices=!all;all;if:all:has-wayland;\nfilesystems=!host:reset;home;!~/.ssh;\n" +
      "[Session Bus Policy]\norg.a.B=none\norg.c.D=talk\n";
    expect(formatOverrides(withoutDenials(read(text)))).toBe(
      "[Context]\nshared=network;\ndevices=all;if:all:has-wayland;\nfilesystems=!~/.ssh;home;\n\n" +
        "[Session Bus Policy]\norg.c.D=talk\n",
    );
  });

  test("withoutDenials() says the same twice", () => {
    fc.assert(
      fc.property(permissions, (one) => {
        const flat = withoutDenials(one);
        expect(formatOverrides(withoutDenials(flat))).toBe(formatOverrides(flat));
      }),
    );
  });
});

describe("onlyHarmless()", () => {
  test("onlyHarmless() keeps nothing but multiarch, variables and limits", () => {
    fc.assert(
      fc.property(permissions, (one) => {
        const text = formatOverrides(mergePermissions(noPermissions, onlyHarmless(one)));
        const { environment, features, limits } = one;
        const multiarch = new Map([...features].filter(([name]) => name === "multiarch"));
        const expected = { ...noPermissions, environment, limits, features: multiarch, filesystemsReset: true };
        expect(text).toBe(formatOverrides(expected));
      }),
    );
  });
});

describe("readUsbListFile()", () => {
  test("readUsbListFile() reads lines and lists and leaves out comments and mistakes", () => {
    expect(readUsbListFile("# vnd:0000\nvnd:1234; !cls:03:*\n\nvnd:12\nall\n")).toEqual([
      "--usb=vnd:1234",
      "--nousb=cls:03:*",
      "--usb=all",
    ]);
  });
});
