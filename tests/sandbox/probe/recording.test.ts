// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RecordingHost } from "../../../src/sandbox/probe/recording.ts";

let folder = "";
let host: RecordingHost;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-probe-"));
  host = new RecordingHost();
  mkdirSync(join(folder, "d"));
  writeFileSync(join(folder, "d/file"), "text");
  symlinkSync("d/file", join(folder, "link"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Kind and path of everything noted, below the test's folder. */
const noted = () =>
  host.record.map((one) => (one.kind === "variable" ? one.name : `${one.kind} ${one.path.slice(folder.length)}`));

describe("RecordingHost", () => {
  test("lookAt() tells what there is and notes folders and files by inode, links exactly", () => {
    expect(host.lookAt(join(folder, "d"))).toEqual({ type: "directory" });
    expect(host.lookAt(join(folder, "d/file"))).toEqual({ type: "file" });
    expect(host.lookAt(join(folder, "link"))).toEqual({ type: "symlink", target: "d/file" });
    expect(host.lookAt(join(folder, "none"))).toBeUndefined();
    expect(host.lookAt("/dev/null")).toEqual({ type: "device" });
    expect(noted().slice(0, 4)).toEqual(["inode /d", "inode /d/file", "present /link", "absent /none"]);
  });

  test("read() follows links and notes the link and the file exactly", () => {
    expect(host.read(join(folder, "link"))).toBe("text");
    expect(noted()).toEqual(["present /link", "present /d/file"]);
  });

  test("read() answers nothing for what is missing, no text, no file or too large", () => {
    writeFileSync(join(folder, "binary"), new Uint8Array([0xff]));
    writeFileSync(join(folder, "large"), "");
    truncateSync(join(folder, "large"), 1024 * 1024 + 1);
    for (const name of ["none", "binary", "large", "d"]) expect(host.read(join(folder, name))).toBeUndefined();
  });

  test("list() answers sorted names and notes the folder exactly, also where it was looked at before", () => {
    writeFileSync(join(folder, "d/another"), "");
    host.lookAt(join(folder, "d"));
    expect(host.list(join(folder, "d"))).toEqual(["another", "file"]);
    host.lookAt(join(folder, "d"));
    expect(noted()).toEqual(["present /d"]);
    expect(host.list(join(folder, "none"))).toEqual([]);
  });

  test("trustImage() notes the folder and nothing below it", () => {
    host.trustImage(join(folder, "d"));
    expect(host.read(join(folder, "d/file"))).toBe("text");
    expect(noted()).toEqual(["inode /d"]);
  });

  test("variable() notes the value or that there is none", () => {
    process.env["DOWEL_TEST_SET"] = "1";
    try {
      expect(host.variable("DOWEL_TEST_SET")).toBe("1");
      expect(host.variable("DOWEL_TEST_UNSET")).toBeUndefined();
      expect(host.record).toEqual([
        { kind: "variable", name: "DOWEL_TEST_SET", value: "1" },
        { kind: "variable", name: "DOWEL_TEST_UNSET", value: undefined },
      ]);
    } finally {
      delete process.env["DOWEL_TEST_SET"];
    }
  });
});
