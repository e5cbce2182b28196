// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDowelError } from "../../../src/base/errors.ts";
import { formatDump } from "../../../src/formats/composefs/dump-format.ts";
import { captureFolder } from "../../../src/store/capture/capture.ts";
import { dumpImage, makeImage } from "../../../src/store/capture/image.ts";
import { scanTree } from "../../formats/composefs/scan.ts";
import { makeSourceTree } from "../../formats/composefs/source-tree.ts";
import { findComposefsTools } from "../../interop/mkcomposefs.ts";

let folder = "";
let source = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-capture-"));
  source = join(folder, "source");
  mkdirSync(source);
  makeSourceTree(source);
  writeFileSync(join(source, "before-1970"), "x".repeat(100));
  execFileSync("touch", ["-d", "1960-05-06T07:08:09.123456789Z", join(source, "before-1970")]);
});
afterAll(() => rmSync(folder, { recursive: true }));

test("captureFolder() sees what lstat, readlink and getfattr see", () => {
  expect(formatDump(captureFolder(source))).toBe(formatDump(scanTree(source, true).root));
});

test("captureFolder() copies every content that is not kept in the image, once", () => {
  const digestStore = join(folder, "store", "new");
  captureFolder(source, { digestStore });
  captureFolder(source, { digestStore });
  const { objects } = scanTree(source, true);
  const stored = readdirSync(digestStore, { recursive: true, encoding: "utf8" }).filter((name) => name.length > 2);
  expect(stored.sort()).toEqual([...objects.keys()].sort());
  for (const [path, content] of objects) {
    expect(Buffer.compare(readFileSync(join(digestStore, path)), content)).toBe(0);
    expect(statSync(join(digestStore, path)).mode & 0o777).toBe(0o644);
  }
});

describe("captureFolder() refuses", () => {
  test.each([
    ["what is not there", "nothing"],
    ["a file", "source/before-1970"],
  ])("%s", (_, path) => {
    expect(() => captureFolder(join(folder, path))).toThrow(
      expect.objectContaining({ name: "DowelError", code: "IO" }),
    );
  });

  test("to go on where the signal has fired", () => {
    const signal = AbortSignal.abort();
    expect(() => captureFolder(source, { signal })).toThrow(expect.objectContaining({ code: "ABORTED" }));
  });
});

describe("makeImage()", () => {
  test("leaves nothing behind where the image cannot be made", () => {
    const image = join(folder, "not-made");
    for (const text of ["", "/ 0 40755", "x".repeat(1000)]) {
      const dump = join(folder, "bad-dump");
      writeFileSync(dump, text);
      let error: unknown;
      try {
        makeImage(dump, { fromFile: true, image, minVersion: 1, maxVersion: 1 });
      } catch (caught) {
        error = caught;
      }
      expect(isDowelError(error, "COMPOSEFS_INVALID")).toBe(true);
    }
    expect(readdirSync(folder).filter((name) => name.startsWith("not-made"))).toEqual([]);
  });

  test("writes through to what is no file, and does not follow it away", () => {
    makeImage(source, { image: "/dev/null", minVersion: 1, maxVersion: 1 });
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
    const target = join(folder, "target");
    symlinkSync(target, join(folder, "link"));
    makeImage(source, { image: join(folder, "link"), minVersion: 1, maxVersion: 1 });
    expect(dumpImage(target)).toContain("/before-1970 ");
  });
});

const tools = await findComposefsTools();
describe.skipIf(typeof tools === "string")("beside mkcomposefs", () => {
  const digest = (options: readonly string[], path: string) => {
    if (typeof tools === "string") throw new Error(tools);
    return Buffer.from(tools("mkcomposefs", [...options, "--print-digest-only", path]))
      .toString()
      .trim();
  };
  const whiteouts = () => {
    const path = join(folder, "whiteouts");
    mkdirSync(path, { recursive: true });
    if (readdirSync(path).length === 0) execFileSync("mknod", [join(path, "gone"), "c", "0", "0"]);
    return path;
  };

  test.each([
    [["--use-epoch"], { useEpoch: true }],
    [["--skip-devices"], { skipDevices: true }],
    [["--skip-xattrs"], { skipXattrs: true }],
    [["--user-xattrs"], { userXattrs: true }],
  ] as const)("makeImage() understands %p as it does", (options, ours) => {
    const made = makeImage(source, { ...ours, image: undefined, minVersion: 0, maxVersion: 1 });
    expect(made).toBe(digest(options, source));
  });

  test.each([
    [0, 0],
    [0, 1],
    [1, 1],
    [1, 0],
  ])("makeImage() writes the versions %i to %i as it does, with whiteouts too", (minVersion, maxVersion) => {
    for (const path of [source, whiteouts()]) {
      const options = [`--min-version=${minVersion}`, `--max-version=${maxVersion}`];
      expect(makeImage(path, { image: undefined, minVersion, maxVersion })).toBe(digest(options, path));
    }
  });

  test.each([0, 1] as const)("dumpImage() shows an image of version %i as composefs-info does", (minVersion) => {
    if (typeof tools === "string") throw new Error(tools);
    for (const path of [source, whiteouts()]) {
      const image = join(folder, `shown-${minVersion}`);
      makeImage(path, { image, minVersion, maxVersion: minVersion });
      const shown = Buffer.from(tools("composefs-info", ["dump", image])).toString();
      expect(dumpImage(image)).toBe(shown);
    }
  });
});
