// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { Keyfile } from "../../../src/formats/keyfile/keyfile.ts";
import { writePermissions } from "../../../src/metadata/permissions/codec.ts";
import { noPermissions } from "../../../src/metadata/permissions/model.ts";
import { applyPermissionOption, permissionOptions } from "../../../src/metadata/permissions/options.ts";

function written(...options: string[]): string {
  const keyfile = new Keyfile();
  writePermissions(keyfile, options.reduce(applyPermissionOption, noPermissions));
  return keyfile.toString();
}

const context = (line: string) => `[Context]\n${line}\n`;

describe("applyPermissionOption()", () => {
  test.each([
    ["--share=network", context("shared=network;")],
    ["--unshare=network", context("shared=!network;")],
    ["--share-if=network:has-wayland", context("shared=network;if:network:has-wayland;")],
    ["--socket=wayland", context("sockets=wayland;")],
    ["--nosocket=x11", context("sockets=!x11;")],
    ["--socket-if=x11:!has-wayland", context("sockets=x11;if:x11:!has-wayland;")],
    ["--device=dri", context("devices=dri;")],
    ["--nodevice=all", context("devices=!all;")],
    ["--device-if=all:!has-input-device", context("devices=all;if:all:!has-input-device;")],
    ["--allow=devel", context("features=devel;")],
    ["--disallow=multiarch", context("features=!multiarch;")],
    ["--allow-if=canbus:from-the-future", context("features=canbus;if:canbus:from-the-future;")],
    ["--filesystem=xdg-download:ro", context("filesystems=xdg-download:ro;")],
    ["--nofilesystem=home", context("filesystems=!home;")],
    ["--nofilesystem=host:reset", context("filesystems=!host:reset;")],
    ["--env=A=b=c", "[Environment]\nA=b=c\n"],
    ["--env=A=", "[Environment]\nA=\n"],
    ["--unset-env=A", "[Environment]\nA=\n\n[Context]\nunset-environment=A;\n"],
    ["--own-name=org.a.B", "[Session Bus Policy]\norg.a.B=own\n"],
    ["--talk-name=org.a.*", "[Session Bus Policy]\norg.a.*=talk\n"],
    ["--no-talk-name=org.a.B", "[Session Bus Policy]\norg.a.B=none\n"],
    ["--system-own-name=org.a.B", "[System Bus Policy]\norg.a.B=own\n"],
    ["--system-talk-name=org.a.B", "[System Bus Policy]\norg.a.B=talk\n"],
    ["--system-no-talk-name=org.a.B", "[System Bus Policy]\norg.a.B=none\n"],
    ["--a11y-own-name=org.a.B", "[Accessibility Bus Policy]\norg.a.B=own\n"],
    ["--add-policy=sub.key=v", "[Policy sub]\nkey=v;\n"],
    ["--remove-policy=sub.key=v", "[Policy sub]\nkey=!v;\n"],
    ["--usb=vnd:1A2B+dev:0001", "[USB Devices]\nenumerable-devices=vnd:1a2b+dev:0001;\n"],
    ["--nousb=all", "[USB Devices]\nhidden-devices=all;\n"],
    ["--usb-list=cls:03:*;!vnd:1234", "[USB Devices]\nenumerable-devices=cls:03:*;\nhidden-devices=vnd:1234;\n"],
    ["--limit=memory=512M", "[Limits]\nmemory=512M\n"],
    ["--limit=cpu=none", "[Limits]\ncpu=none\n"],
    ["--persist=.mozilla", context("persistent=.mozilla;")],
  ])("applyPermissionOption() takes %s", (option, expected) => {
    expect(written(option)).toBe(expected);
  });

  test("every option of permissionOptions is one that the table above takes", () => {
    expect(permissionOptions.length).toBe(30);
  });

  test("applyPermissionOption() lets later options win", () => {
    expect(written("--share=network", "--unshare=network", "--share=ipc")).toBe(context("shared=ipc;!network;"));
  });

  test.each([
    "--share=everything",
    "--socket-if=x11",
    "--socket-if=x11:a:b",
    "--socket-if=fallback-x11:true",
    "--filesystem=/",
    "--filesystem=~/../x",
    "--filesystem=home:wx",
    "--filesystem=/a\u001b[2K",
    "--env=novalue",
    "--env==x",
    "--unset-env=A=B",
    "--own-name=no name",
    "--add-policy=nokey",
    "--usb=dev:1234",
    "--usb=vnd:1234+vnd:1234",
    "--usb=all+vnd:1234",
    "--limit=memory",
    "--limit=memory=",
    "--limit=memory=12",
    "--limit=memory=1P",
    "--limit=cpu=50",
    "--limit=cpu=0%",
    "--limit=tasks=1",
    "--limit=io=1",
    "--limit=disk=1G",
    "--limit=swap=-1",
    "--persist=../x",
    "--unknown=x",
    "--share",
  ])("applyPermissionOption() refuses %j", (option) => {
    expect(() => applyPermissionOption(noPermissions, option)).toThrow(
      expect.objectContaining({ code: "PERMISSION_INVALID" }),
    );
  });
});
