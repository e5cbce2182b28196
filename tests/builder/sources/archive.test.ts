// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { silent } from "../../../src/base/events.ts";
import type { ArchiveFormat } from "../../../src/builder/manifest/types.ts";
import { unpackArchive } from "../../../src/builder/sources/archive.ts";
import type { SourceContext } from "../../../src/builder/sources/context.ts";
import { StateFolder } from "../../../src/builder/state.ts";
import { rejectionOf, TestFolder } from "../support.ts";

function contextIn(folder: TestFolder): SourceContext {
  return { state: new StateFolder(folder.join("state")), excluded: [], report: silent, signal: undefined };
}

async function unpack(folder: TestFolder, path: string, format: ArchiveFormat, stripComponents = 1): Promise<string> {
  const target = folder.join("target");
  mkdirSync(target, { recursive: true });
  await unpackArchive({ path, format, stripComponents, what: "the archive" }, target, contextIn(folder));
  return target;
}

/** Writes an archive with names that tar itself would not write. */
function craft(folder: TestFolder, name: string, script: string): string {
  const path = folder.join(name);
  execFileSync("python3", ["-c", `import tarfile, io, zipfile\npath = ${JSON.stringify(path)}\n${script}`]);
  return path;
}

describe("unpackArchive()", () => {
  test.each([
    ["tar", "--no-auto-compress"],
    ["tar-gzip", "--gzip"],
    ["tar-bzip2", "--bzip2"],
    ["tar-xz", "--xz"],
    ["tar-zst", "--zstd"],
  ] as const)("unpacks %s without its first folder", async (format, option) => {
    using folder = new TestFolder();
    folder.write("top-1.0/run.sh", "#!/bin/sh\n", 0o755);
    folder.write("top-1.0/sub/a.txt", "hello");
    symlinkSync("sub/a.txt", folder.join("top-1.0/link"));
    const path = folder.join("a");
    const flags = option === "--no-auto-compress" ? [] : [option];
    execFileSync("tar", ["-C", folder.path, "-c", ...flags, "-f", path, "top-1.0"]);
    const target = await unpack(folder, path, format);
    expect(readFileSync(join(target, "link"), "utf8")).toBe("hello");
    expect(lstatSync(join(target, "run.sh")).mode & 0o777).toBe(0o755);
  });

  test("unpacks zip without its first folder", async () => {
    using folder = new TestFolder();
    const path = craft(
      folder,
      "a.zip",
      'z = zipfile.ZipFile(path, "w"); z.writestr("top/sub/a.txt", "hello"); z.close()',
    );
    const target = await unpack(folder, path, "zip");
    expect(readFileSync(join(target, "sub/a.txt"), "utf8")).toBe("hello");
  });

  test("refuses a damaged archive", async () => {
    using folder = new TestFolder();
    const path = folder.write("a.tar.gz", "this is no archive");
    const error = await rejectionOf(unpack(folder, path, "tar-gzip"));
    expect(error.code).toBe("SOURCE_INVALID");
    expect(error.message).toStartWith("Cannot unpack the archive: tar failed with exit code 2");
  });

  test("takes set-id bits away", async () => {
    using folder = new TestFolder();
    const path = craft(
      folder,
      "a.tar",
      't = tarfile.open(path, "w"); i = tarfile.TarInfo("t/su"); i.mode = 0o6755; t.addfile(i); t.close()',
    );
    expect(lstatSync(join(await unpack(folder, path, "tar"), "su")).mode & 0o7777).toBe(0o755);
  });
});

describe("unpackArchive() of a hostile archive", () => {
  test("leaves nothing outside for names with .. and absolute names", async () => {
    using folder = new TestFolder();
    const path = craft(
      folder,
      "a.tar",
      `t = tarfile.open(path, "w")
for name in ["../../../evil1", "t/../../../../evil2", ${JSON.stringify(folder.join("evil3"))}]:
    i = tarfile.TarInfo(name); i.size = 1; t.addfile(i, io.BytesIO(b"x"))
t.close()`,
    );
    await unpack(folder, path, "tar", 0).catch(() => undefined);
    const found = execFileSync("find", [folder.path, "-name", "evil*"], { encoding: "utf8" });
    expect(found.split("\n").filter((line) => line !== "" && !line.startsWith(folder.join("target")))).toEqual([]);
  });

  test("writes nothing through a link of its own", async () => {
    using folder = new TestFolder();
    mkdirSync(folder.join("outside"));
    const path = craft(
      folder,
      "a.tar",
      `t = tarfile.open(path, "w")
i = tarfile.TarInfo("t/link"); i.type = tarfile.SYMTYPE; i.linkname = ${JSON.stringify(folder.join("outside"))}; t.addfile(i)
i = tarfile.TarInfo("t/link/evil"); i.size = 1; t.addfile(i, io.BytesIO(b"x"))
t.close()`,
    );
    await unpack(folder, path, "tar").catch(() => undefined);
    expect(readdirSync(folder.join("outside"))).toEqual([]);
  });

  test("writes nothing through a link that an earlier source left at the destination", async () => {
    using folder = new TestFolder();
    mkdirSync(folder.join("outside"));
    mkdirSync(folder.join("target"));
    symlinkSync(folder.join("outside"), folder.join("target/lib"));
    const path = craft(
      folder,
      "a.tar",
      't = tarfile.open(path, "w"); i = tarfile.TarInfo("t/lib/evil"); i.size = 1; t.addfile(i, io.BytesIO(b"x")); t.close()',
    );
    const target = await unpack(folder, path, "tar");
    expect(readdirSync(folder.join("outside"))).toEqual([]);
    expect(lstatSync(join(target, "lib")).isDirectory()).toBe(true);
  });

  test("refuses devices", async () => {
    using folder = new TestFolder();
    const path = craft(
      folder,
      "a.tar",
      't = tarfile.open(path, "w"); i = tarfile.TarInfo("t/pipe"); i.type = tarfile.FIFOTYPE; t.addfile(i); t.close()',
    );
    const error = await rejectionOf(unpack(folder, path, "tar"));
    expect(error.message).toBe("the archive: pipe is a device, socket or pipe");
    expect(readdirSync(folder.join("target"))).toEqual([]);
  });

  test("leaves nothing outside for a zip with .. and links", async () => {
    using folder = new TestFolder();
    mkdirSync(folder.join("outside"));
    const path = craft(
      folder,
      "a.zip",
      `z = zipfile.ZipFile(path, "w"); z.writestr("../../../evil", "x")
i = zipfile.ZipInfo("link"); i.create_system = 3; i.external_attr = 0o120777 << 16; z.writestr(i, ${JSON.stringify(folder.join("outside"))})
z.writestr("link/evil", "x"); z.close()`,
    );
    await unpack(folder, path, "zip", 0).catch(() => undefined);
    expect(readdirSync(folder.join("outside"))).toEqual([]);
    writeFileSync(folder.join("marker"), "");
    const found = execFileSync("find", [folder.path, "-name", "evil*"], { encoding: "utf8" });
    expect(found.split("\n").filter((line) => line !== "" && !line.startsWith(folder.join("target")))).toEqual([]);
  });
});
