// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseKeyfile } from "../../../src/formats/keyfile/parse.ts";
import { readPermissions } from "../../../src/metadata/permissions/codec.ts";
import { addedPermissions } from "../../../src/metadata/permissions/growth.ts";
import { noPermissions } from "../../../src/metadata/permissions/model.ts";
import { permissions } from "./arbitrary.ts";

const read = (text: string) => readPermissions(parseKeyfile(text, "test"));

describe("addedPermissions()", () => {
  test.each([
    ["", "[Context]\nshared=network;\n", ["--share=network"]],
    ["[Context]\nshared=network;\n", "", []],
    ["[Context]\nsockets=x11;\n", "[Context]\nsockets=wayland;fallback-x11;\n", ["--socket=wayland"]],
    ["[Context]\nsockets=fallback-x11;\n", "[Context]\nsockets=x11;\n", ["--socket=x11"]],
    ["", "[Context]\nfeatures=multiarch;per-app-dev-shm;devel;\n", ["--allow=devel"]],
    ["[Context]\ndevices=all;\n", "[Context]\ndevices=all;if:all:has-wayland;\n", []],
    ["[Context]\ndevices=all;if:all:a;\n", "[Context]\ndevices=all;if:all:a;if:all:!b;\n", ["--device-if=all:!b"]],
    ["[Context]\nfilesystems=home:ro;\n", "[Context]\nfilesystems=home;\n", ["--filesystem=home"]],
    ["[Context]\nfilesystems=host;\n", "[Context]\nfilesystems=home;/data:ro;\n", []],
    ["[Context]\nfilesystems=host:ro;\n", "[Context]\nfilesystems=/data;\n", ["--filesystem=/data"]],
    ["[Context]\nfilesystems=/data;\n", "[Context]\nfilesystems=!/data;\n", []],
    [
      "[Session Bus Policy]\norg.a.B=talk\n",
      "[Session Bus Policy]\norg.a.B=own\norg.c.D=see\n",
      ["--own-name=org.a.B", "--see-name=org.c.D"],
    ],
    ["", "[System Bus Policy]\norg.a.B=talk\norg.c.D=none\n", ["--system-talk-name=org.a.B"]],
    ["", "[Environment]\nA=1\n[Context]\npersistent=.x;\n", []],
    ["", "[Policy web]\nhosts=a;!b;\n", ["--add-policy=web.hosts=a"]],
    ["[USB Devices]\nhidden-devices=vnd:1234;\n", "", ["no longer --nousb=vnd:1234"]],
    ["", "[USB Devices]\nenumerable-devices=vnd:1234;\n", ["--usb=vnd:1234"]],
  ])("addedPermissions() from %j to %j is %j", (before, after, expected) => {
    expect(addedPermissions(read(before), read(after))).toEqual(expected);
  });

  test("addedPermissions() finds nothing where nothing changes or everything goes", () => {
    fc.assert(
      fc.property(permissions, (one) => {
        expect(addedPermissions(one, one)).toEqual([]);
        const hidden = one.usb.hidden.map((query) => `no longer --nousb=${query}`);
        expect(addedPermissions(one, noPermissions)).toEqual(hidden);
      }),
    );
  });
});
