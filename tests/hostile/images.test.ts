// SPDX-License-Identifier: Apache-2.0
// Images that attack the one who installs them. Each is refused, and the installation stays as it was.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { appRef, makeLayout, Sandpit } from "../e2e/support.ts";
import { gzipLayer, type HandMadeLayer, sha256 } from "../support/layout.ts";
import { paxRecord, type RawEntry, rawTar } from "./rawtar.ts";
import { addEvil, evilId, evilMetadata, expectRefused, honestEntries, listing } from "./support.ts";

const pit = new Sandpit();
const installation = pit.path("home/.local/share/dowel");
let before: string[] = [];

beforeAll(() => {
  pit.succeed(["install", "--user", "-y", `oci:${makeLayout(pit.path("images"))}`, "org.example.Probe"]);
  before = listing(installation);
});
afterAll(() => pit[Symbol.dispose]());

/** Tries to install the evil image of a layout; the installation and the folders around must not change. */
function tryInstall(layout: string, ...options: string[]): ReturnType<Sandpit["dowel"]> {
  const outcome = pit.dowel(["install", "--user", "-y", ...options, `oci:${layout}`, evilId]);
  rmSync(layout, { recursive: true });
  return outcome;
}

function expectUnchanged(): void {
  expect(listing(installation)).toEqual(before);
  expect(readdirSync(pit.folder).sort()).toEqual(["home", "images", "run", "work"]);
  expect(readdirSync(pit.path("home")).sort()).toEqual([".local"]);
}

function refuseEntries(entries: readonly RawEntry[], code: string, ...words: string[]): void {
  const layout = pit.path("evil");
  addEvil(layout, { entries });
  expectRefused(tryInstall(layout), code, ...words);
  expectUnchanged();
}

function refuseLayers(layers: readonly HandMadeLayer[], code: string, ...words: string[]): void {
  const layout = pit.path("evil");
  addEvil(layout, { layers });
  expectRefused(tryInstall(layout), code, ...words);
  expectUnchanged();
}

describe("install refuses a layer with", () => {
  const cases: readonly (readonly [string, readonly RawEntry[], string, string])[] = [
    ["a name that climbs out", [{ name: "files/../../escaped", content: "x" }], "TAR_UNSAFE", "files/../../escaped"],
    ["a name that is ..", [{ name: "..", type: "5" }], "TAR_UNSAFE", '".."'],
    ["an absolute name", [{ name: "/tmp/dowel-escaped", content: "x" }], "TAR_UNSAFE", "/tmp/dowel-escaped"],
    [
      "a file below a link that leads out",
      [
        { name: "files/out", type: "2", link: "/tmp" },
        { name: "files/out/escaped", content: "x" },
      ],
      "TAR_UNSAFE",
      "files/out/escaped",
    ],
    [
      "a file below a link that leads up",
      [
        { name: "files/up", type: "2", link: "../../.." },
        { name: "files/up/escaped", content: "x" },
      ],
      "TAR_UNSAFE",
      "files/up/escaped",
    ],
    [
      "a link in place of an existing folder, and a file below",
      [
        { name: "files/bin", type: "2", link: "/tmp" },
        { name: "files/bin/escaped", content: "x" },
      ],
      "TAR_UNSAFE",
      "files/bin",
    ],
    [
      "a hard link to an absolute path (GHSA-9rww-v4mm-x4jg)",
      [{ name: "files/passwd", type: "1", link: "/etc/passwd" }],
      "TAR_UNSAFE",
      "files/passwd",
    ],
    [
      "a hard link out of the tree (GHSA-9rww-v4mm-x4jg)",
      [{ name: "files/passwd", type: "1", link: "../../../../etc/passwd" }],
      "TAR_UNSAFE",
      "files/passwd",
    ],
    [
      "a hard link through a symbolic link (GHSA-9rww-v4mm-x4jg)",
      [
        { name: "files/etc", type: "2", link: "/etc" },
        { name: "files/passwd", type: "1", link: "files/etc/passwd" },
      ],
      "TAR_UNSAFE",
      "files/passwd",
    ],
    ["a hard link to nothing", [{ name: "files/lost", type: "1", link: "files/missing" }], "TAR_UNSAFE", "files/lost"],
    ["a character device", [{ name: "files/null", type: "3" }], "TAR_UNSAFE", "files/null"],
    ["a block device", [{ name: "files/disk", type: "4" }], "TAR_UNSAFE", "files/disk"],
    ["a fifo", [{ name: "files/pipe", type: "6" }], "TAR_UNSAFE", "files/pipe"],
    [
      "a name twice",
      [
        { name: "files/twice", content: "one" },
        { name: "files/twice", content: "two" },
      ],
      "TAR_UNSAFE",
      "files/twice",
    ],
    [
      "the metadata twice",
      [{ name: "./metadata", content: evilMetadata("[Context]\nfilesystems=host;\n") }],
      "TAR_UNSAFE",
      "metadata",
    ],
    ["a whiteout of ..", [{ name: "files/.wh..." }], "TAR_UNSAFE", "files/.wh..."],
    ["a whiteout of a whiteout", [{ name: "files/.wh..wh.x" }], "TAR_UNSAFE", "files/.wh..wh.x"],
    ["a whiteout with content", [{ name: "files/.wh.x", content: "x" }], "TAR_UNSAFE", "files/.wh.x"],
    ["a whiteout that is a link", [{ name: "files/.wh.x", type: "2", link: "/etc" }], "TAR_UNSAFE", "files/.wh.x"],
    ["a file below a whiteout", [{ name: "files/.wh.x/y", content: "x" }], "TAR_UNSAFE", "files/.wh.x/y"],
    ["a name with an escape sequence", [{ name: "files/\u001b[2Jx", type: "6" }], "TAR_UNSAFE", "files/"],
    ["a size that does not end", [{ name: "files/huge", size: 0o77777777777 }], "TAR_INVALID", "files/huge"],
    [
      "a pax name that climbs out",
      [
        { name: "pax", type: "x", content: paxRecord("path", "files/../../../escaped") },
        { name: "files/honest", content: "x" },
      ],
      "TAR_UNSAFE",
      "escaped",
    ],
    [
      "a pax hard link out of the tree",
      [
        { name: "pax", type: "x", content: paxRecord("linkpath", "/etc/shadow") },
        { name: "files/shadow", type: "1", link: "files/bin/probe" },
      ],
      "TAR_UNSAFE",
      "files/shadow",
    ],
    [
      "a pax header that lies about its length",
      [{ name: "pax", type: "x", content: "99 path=x\n" }, { name: "files/x" }],
      "TAR_INVALID",
      "extended header",
    ],
    [
      "a pax header past the limit",
      [{ name: "pax", type: "x", content: paxRecord("comment", "x".repeat(2 << 20)) }, { name: "files/x" }],
      "LIMIT_EXCEEDED",
      "header",
    ],
    [
      "a path that is too deep",
      [{ name: "pax", type: "x", content: paxRecord("path", `files/${"a/".repeat(300)}x`) }, { name: "files/x" }],
      "TAR_UNSAFE",
      "files/a/a",
    ],
    [
      "a name that is too long",
      [{ name: "pax", type: "x", content: paxRecord("path", `files/${"a".repeat(300)}`) }, { name: "files/x" }],
      "TAR_UNSAFE",
      "files/aaa",
    ],
    ["an unknown kind of entry", [{ name: "files/odd", type: "S" }], "TAR_", "files/odd"],
  ];
  for (const [name, entries, code, word] of cases) test(name, () => refuseEntries(entries, code, word));

  test("a damaged header", () => {
    const tar = rawTar(honestEntries());
    tar.fill(0x37, 148, 154);
    refuseLayers([gzipLayer(tar)], "TAR_INVALID", "offset 0");
  });

  test("an archive cut in the middle", () => {
    refuseLayers([gzipLayer(rawTar(honestEntries()).subarray(0, 1024 + 256))], "TAR_INVALID");
  });
});

describe("install refuses compressed data", () => {
  const tar = rawTar([...honestEntries(), { name: "files/data", content: Buffer.alloc(300_000, "some content\n") }]);
  const zstd = "application/vnd.oci.image.layer.v1.tar+zstd";

  test("cut short, of gzip", () => {
    const whole = gzipLayer(tar);
    refuseLayers([{ ...whole, data: whole.data.subarray(0, whole.data.length - 30) }], "COMPRESSION_INVALID");
  });

  test("cut short, of zstd", () => {
    const data = execFileSync("zstd", ["-c"], { input: tar });
    const diffId = `sha256:${sha256(tar)}`;
    refuseLayers([{ mediaType: zstd, data: data.subarray(0, data.length - 30), diffId }], "COMPRESSION_INVALID");
  });

  test("with a second stream that was cut short, of zstd", () => {
    const data = Buffer.concat([
      execFileSync("zstd", ["-c"], { input: tar.subarray(0, 4096) }),
      execFileSync("zstd", ["-c"], { input: tar.subarray(4096) }).subarray(0, 40),
    ]);
    refuseLayers([{ mediaType: zstd, data, diffId: `sha256:${sha256(tar)}` }], "COMPRESSION_INVALID");
  });

  test("that asks for a window of 2 GiB", () => {
    const input = Buffer.alloc(1 << 20);
    const data = Buffer.from(execFileSync("zstd", ["-c", "--no-check"], { input: input, maxBuffer: 1 << 24 }));
    // Frame header (RFC 8878, 3.1.1.1): descriptor without single segment, then a window descriptor of 2^31.
    const frame = Buffer.concat([data.subarray(0, 4), Buffer.from([0x00, 21 << 3]), Buffer.from([1, 0, 0])]);
    refuseLayers([{ mediaType: zstd, data: frame, diffId: `sha256:${sha256(input)}` }], "LIMIT_EXCEEDED");
  });

  test("that is a bomb, by the time 64 MiB have come out of it", () => {
    const once = execFileSync("zstd", ["-c", "-3"], { input: Buffer.alloc(256 << 20), maxBuffer: 1 << 24 });
    const data = Buffer.concat(Array.from({ length: 64 }, () => once));
    const started = performance.now();
    refuseLayers([{ mediaType: zstd, data, diffId: `sha256:${sha256(tar)}` }], "LIMIT_EXCEEDED");
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test("that is no such thing", () => {
    refuseLayers([{ ...gzipLayer(tar), data: Buffer.from("<html>login</html>") }], "TAR_INVALID");
  });
});

describe("install refuses an archive or layout", () => {
  /** An archive of the evil layout, with some blob replaced by a link. */
  function archiveWith(type: string, link: string): string {
    const layout = pit.path("evil");
    addEvil(layout, {});
    const blob = readdirSync(join(layout, "blobs/sha256")).sort()[0] ?? "";
    const entries = readdirSync(layout, { recursive: true, encoding: "utf8", withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const name = relative(layout, join(entry.parentPath, entry.name));
        return entry.name === blob ? { name, type, link } : { name, content: readFileSync(join(layout, name)) };
      });
    rmSync(layout, { recursive: true });
    const path = pit.path("evil.tar");
    writeFileSync(path, rawTar(entries));
    return path;
  }

  for (const [name, type, link] of [
    ["a hard link to /etc/passwd", "1", "/etc/passwd"],
    ["a hard link out of it", "1", "../../../../../../etc/passwd"],
    ["a symbolic link to /etc/passwd", "2", "/etc/passwd"],
    ["a device", "3", ""],
  ] as const) {
    test(`with ${name} in place of a blob (GHSA-9rww-v4mm-x4jg)`, () => {
      const path = archiveWith(type, link);
      const { status, stdout, stderr } = pit.dowel(["install", "--user", "-y", `oci-archive:${path}`, evilId]);
      rmSync(path);
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/\[[A-Z_]+\]/) });
      expect(stdout + stderr).not.toContain("root:");
      expectUnchanged();
    });
  }

  test("with a link in place of a blob's file", () => {
    const layout = pit.path("evil");
    const path = join(layout, "blobs", addEvil(layout, {}).replace(":", "/"));
    rmSync(path);
    symlinkSync("/etc/passwd", path);
    const { status, stdout, stderr } = tryInstall(layout);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/\[[A-Z_]+\]/) });
    expect(stdout + stderr).not.toContain("root:");
    expectUnchanged();
  });
});

describe("install refuses an image whose parts do not belong together:", () => {
  test("the unpacked layer has another digest", () => {
    refuseLayers([{ ...gzipLayer(rawTar(honestEntries())), diffId: `sha256:${"0".repeat(64)}` }], "DIGEST_MISMATCH");
  });

  test("the layer has another digest", () => {
    const digest = `sha256:${"1".repeat(64)}`;
    refuseLayers([{ ...gzipLayer(rawTar(honestEntries())), digest }], "DIGEST_MISMATCH", digest);
  });

  test("its label names another app, which is installed from elsewhere", () => {
    const layout = pit.path("evil");
    const other = evilMetadata("", "org.example.Probe");
    addEvil(layout, { layers: [gzipLayer(rawTar(honestEntries(other)))] }, { ref: appRef, metadata: other });
    const outcome = pit.dowel(["install", "--user", "-y", "--or-update", `oci:${layout}`]);
    expectRefused(outcome, "ALREADY_INSTALLED", "org.example.Probe", "probe-origin");
    expectRefused(tryInstall(layout), "REF_NOT_FOUND");
    expectUnchanged();
  });

  const labels: readonly (readonly [string, { ref?: string; metadata?: string; file?: string }, string])[] = [
    [
      "the metadata file asks for more than the label shows (CVE-2021-43860)",
      { file: evilMetadata("[Context]\nfilesystems=host;\n") },
      "METADATA_INVALID",
    ],
    [
      "a NUL in the metadata hides what follows (CVE-2021-43860)",
      {
        metadata: `${evilMetadata()}\0[Context]\nfilesystems=host;\n`,
        file: `${evilMetadata()}\0[Context]\nfilesystems=host;\n`,
      },
      "KEYFILE_SYNTAX",
    ],
    [
      "a NUL in the metadata file alone (CVE-2021-43860)",
      { file: `${evilMetadata()}\0[Context]\nfilesystems=host;\n` },
      "METADATA_INVALID",
    ],
    [
      "the metadata is of another app",
      { metadata: evilMetadata("", "org.example.Probe"), file: evilMetadata("", "org.example.Probe") },
      "METADATA_INVALID",
    ],
    [
      "a path has an escape sequence (CVE-2023-28101)",
      both("[Context]\nfilesystems=/tmp/\u001b[1A;\n"),
      "METADATA_INVALID",
    ],
    [
      "a permission has an escape sequence (CVE-2023-28101)",
      both("[Session Bus Policy]\norg.x\u001b[2K=own\n"),
      "METADATA_INVALID",
    ],
    ["the metadata is no keyfile", { metadata: "\u001b]0;owned\u0007", file: "\u001b]0;owned\u0007" }, "_"],
  ];
  function both(context: string): { metadata: string; file: string } {
    return { metadata: evilMetadata(context), file: evilMetadata(context) };
  }
  for (const [name, { metadata = evilMetadata(), file = evilMetadata() }, code] of labels) {
    test(name, () => {
      const layout = pit.path("evil");
      addEvil(layout, { layers: [gzipLayer(rawTar(honestEntries(file)))] }, { metadata });
      expectRefused(tryInstall(layout), code);
      expectUnchanged();
    });
  }
});
