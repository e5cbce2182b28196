// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Keyfile } from "../../../src/formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../../../src/formats/keyfile/parse.ts";
import { readPermissions, writePermissions } from "../../../src/metadata/permissions/codec.ts";
import { mergePermissions } from "../../../src/metadata/permissions/merge.ts";
import { noPermissions, type Permissions } from "../../../src/metadata/permissions/model.ts";
import { permissions } from "./arbitrary.ts";

const read = (text: string) => readPermissions(parseKeyfile(text, "test"));

function write(value: Permissions): string {
  const keyfile = new Keyfile();
  writePermissions(keyfile, value);
  return keyfile.toString();
}

/** Maps as sorted lists, so that only what they hold is compared. */
function canonical(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([key, item]) => [key, canonical(item)]).sort();
  if (Array.isArray(value) || value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, canonical(item)]));
}

const example = `[Context]
shared=ipc;network;
sockets=fallback-x11;wayland;!x11;
devices=all;if:all:!has-input-device;
features=devel;
filesystems=!~/.ssh;home:ro;xdg-run/x:create;
persistent=.mozilla;
unset-environment=GONE;

[Environment]
GONE=
GREETING=hello

[Session Bus Policy]
org.a.B=talk

[System Bus Policy]
org.c.*=none

[USB Devices]
enumerable-devices=vnd:1234+dev:abcd;

[Policy thing]
key=!b;a;
`;

describe("readPermissions()", () => {
  test("readPermissions() reads every kind of permission, and writePermissions() writes the same text", () => {
    const value = read(example);
    expect(value.environment).toEqual(
      new Map([
        ["GONE", undefined],
        ["GREETING", "hello"],
      ]),
    );
    expect(value.filesystems.get("home")).toBe("ro");
    expect(value.busPolicies.system.get("org.c.*")).toBe("none");
    expect(value.usb.enumerable).toEqual(["vnd:1234+dev:abcd"]);
    expect(write(value)).toBe(example);
  });

  test("readPermissions() leaves out what it does not know", () => {
    const value = read(
      "[Context]\nshared=future;network\nfilesystems=future;home:future;/;~/../x;host\n[Session Bus Policy]\norg.a.B=future\n!!=talk\n",
    );
    expect([...value.shared.keys()]).toEqual(["network"]);
    expect([...value.filesystems.keys()]).toEqual(["host"]);
    expect(value.busPolicies.session.size).toBe(0);
  });

  test.each([
    ["[Context]\nfilesystems=/a\u001b[2K;\n", "filesystems"],
    ["[Context]\npersistent=a\u0007;\n", "persistent"],
    ["[Context]\nsockets=if:x11;\n", "if:x11"],
    ["[USB Devices]\nenumerable-devices=dev:1234;\n", "dev:1234"],
  ])("readPermissions() refuses %j and names %s", (text, named) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({ code: "PERMISSION_INVALID", message: expect.stringContaining(named) }),
    );
  });

  test("readPermissions() is the inverse of writePermissions()", () => {
    fc.assert(
      fc.property(permissions, (value) => {
        expect(canonical(read(write(value)))).toEqual(canonical(value));
      }),
    );
  });

  test("writePermissions() replaces what a keyfile has and leaves its other groups alone", () => {
    const keyfile = parseKeyfile(`[Application]\nname=a\n${example}`, "test");
    writePermissions(keyfile, { ...noPermissions, shared: read("[Context]\nshared=ipc\n").shared });
    expect(keyfile.groups()).toEqual(["Application", "Context"]);
    expect(keyfile.keys("Context")).toEqual(["shared"]);
  });
});

describe("mergePermissions()", () => {
  const merge = (lower: string, upper: string) => write(mergePermissions(read(lower), read(upper)));

  test.each([
    ["filesystems=home", "filesystems=home:ro", "filesystems=home:ro;"],
    ["filesystems=home;/a", "filesystems=!home", "filesystems=!home;/a;"],
    ["filesystems=home;/a", "filesystems=!host:reset;/b", "filesystems=!host:reset;/b;"],
    ["persistent=a", "persistent=b;a", "persistent=a;b;"],
    ["sockets=fallback-x11;wayland", "sockets=x11", "sockets=wayland;x11;"],
    ["sockets=fallback-x11", "sockets=x11;if:x11:true", "sockets=fallback-x11;x11;if:x11:true;"],
    ["shared=network", "shared=!network", "shared=!network;"],
  ])("mergePermissions() puts %s below %s", (lower, upper, expected) => {
    expect(merge(`[Context]\n${lower}\n`, `[Context]\n${upper}\n`)).toBe(`[Context]\n${expected}\n`);
  });

  test("mergePermissions() lets the upper layer's variables, bus policies and values win", () => {
    const lower = "[Environment]\nA=1\nB=1\n[Session Bus Policy]\norg.a.B=own\n[Policy p]\nk=a;b\n";
    const upper =
      "[Context]\nunset-environment=B\n[Environment]\nA=2\n[Session Bus Policy]\norg.a.B=none\n[Policy p]\nk=!a;c\n";
    const merged = mergePermissions(read(lower), read(upper));
    expect(merged.environment).toEqual(
      new Map([
        ["A", "2"],
        ["B", undefined],
      ]),
    );
    expect(merged.busPolicies.session).toEqual(new Map([["org.a.B", "none"]]));
    expect(merged.policies.get("p")?.get("k")).toEqual(["!a", "b", "c"]);
  });

  test("mergePermissions() with nothing changes nothing", () => {
    fc.assert(
      fc.property(permissions, (value) => {
        expect(canonical(mergePermissions(value, noPermissions))).toEqual(canonical(value));
        expect(canonical(mergePermissions(noPermissions, value))).toEqual(canonical(value));
      }),
    );
  });
});
