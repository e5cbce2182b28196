// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, linkSync, lutimesSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readHeader } from "./peer-support.ts";
import { entry, file, readAll, writeAll } from "./support.ts";

const longName = `${"deep/".repeat(20)}${"n".repeat(120)}`;
let folder = "";

function run(command: string, args: readonly string[], input?: Uint8Array): Buffer {
  const result = spawnSync(command, args, { cwd: folder, input, maxBuffer: 64 * 1024 * 1024 });
  expect({ args, stderr: result.stderr.toString(), status: result.status }).toEqual({ args, stderr: "", status: 0 });
  return result.stdout;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-tar-"));
  const tree = join(folder, "tree");
  mkdirSync(join(tree, longName, ".."), { recursive: true });
  writeFileSync(join(tree, "plain"), "plain text\n");
  chmodSync(join(tree, "plain"), 0o4755);
  writeFileSync(join(tree, "block"), Buffer.alloc(512, 7));
  writeFileSync(join(tree, "empty"), "");
  writeFileSync(join(tree, longName), "deep");
  writeFileSync(join(tree, "grüße"), "utf-8");
  linkSync(join(tree, "plain"), join(tree, "zz-linked"));
  symlinkSync("plain", join(tree, "short-link"));
  symlinkSync("t".repeat(300), join(tree, "long-link"));
  for (const name of ["plain", "block", "empty", "short-link", "long-link", longName, "grüße"]) {
    lutimesSync(join(tree, name), 1_700_000_000.25, 1_700_000_000.25);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("readTar()", () => {
  test.each(["pax", "gnu", "ustar", "v7"])("reads what GNU tar writes with --format=%s", async (format) => {
    const old = format === "ustar" || format === "v7";
    const names = old
      ? ["block", "empty", "plain", "short-link", "zz-linked"]
      : ["block", "deep", "empty", "grüße", "long-link", "plain", "short-link", "zz-linked"];
    const args = ["-c", `--format=${format}`, "--sort=name", "--owner=:5", "--group=:6", "-C", "tree", ...names];
    const members = await readAll(run("tar", args));
    const byPath = new Map(members.map((member) => [member.entry.path, member]));
    expect(byPath.get("plain")).toMatchObject({ entry: { type: "file", mode: 0o4755, uid: 5, gid: 6, size: 11 } });
    expect(byPath.get("plain")?.body.toString()).toBe("plain text\n");
    expect(byPath.get("block")?.body.equals(Buffer.alloc(512, 7))).toBe(true);
    expect(byPath.get("empty")?.entry.size).toBe(0);
    expect(byPath.get("zz-linked")?.entry).toMatchObject({ type: "hardlink", linkName: "plain", size: 0 });
    expect(byPath.get("short-link")?.entry).toMatchObject({ type: "symlink", linkName: "plain" });
    const nanoseconds = format === "pax" ? 250_000_000 : 0;
    expect(byPath.get("plain")?.entry.mtime).toEqual({ seconds: 1_700_000_000, nanoseconds });
    if (old) return;
    expect(byPath.get("deep/")?.entry.type).toBe("directory");
    expect(byPath.get(longName)?.body.toString()).toBe("deep");
    expect(byPath.get("long-link")?.entry.linkName).toBe("t".repeat(300));
    expect(byPath.get("grüße")?.body.toString()).toBe("utf-8");
  });

  test("reads the numbers that GNU tar writes in base-256", async () => {
    const args = ["-c", "--format=gnu", "--owner=:4000000000", "--mtime=@-86400", "-C", "tree", "plain"];
    const [member] = await readAll(run("tar", args));
    expect(member?.entry).toMatchObject({ uid: 4_000_000_000, mtime: { seconds: -86400, nanoseconds: 0 } });
  });

  test("reads the attributes that GNU tar writes", async () => {
    const name = "tree/attributes";
    writeFileSync(join(folder, name), "");
    for (const [key, value] of [
      ["user.plain", "v"],
      ["user.a=b%c", "line\nline"],
    ]) {
      run("python3", ["-c", "import os,sys;os.setxattr(*map(os.fsencode,sys.argv[1:]))", name, key ?? "", value ?? ""]);
    }
    const [member] = await readAll(run("tar", ["-c", "--format=pax", "--xattrs", name]));
    const read = [...(member?.entry.xattrs ?? [])].map(([key, value]) => [key, Buffer.from(value).toString()]);
    expect(read.sort()).toEqual([
      ["user.a=b%c", "line\nline"],
      ["user.plain", "v"],
    ]);
  });

  test.each([
    "--format=gnu",
    "--format=pax --sparse-version=0.0",
    "--format=pax --sparse-version=0.1",
    "--format=pax --sparse-version=1.0",
  ])("refuses the sparse files of GNU tar %s", async (format) => {
    writeFileSync(join(folder, "sparse"), "");
    run("truncate", ["-s", "10M", "sparse"]);
    const archive = run("tar", ["-c", "--sparse", ...format.split(" "), "sparse"]);
    await expect(readAll(archive)).rejects.toMatchObject({
      code: "TAR_INVALID",
      message: expect.stringContaining("sparse"),
    });
  });

  test.each(["USTAR", "GNU", "PAX"])("reads what Python writes as %s_FORMAT", async (format) => {
    const script = `
import io, sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.${format}_FORMAT, encoding="utf-8") as archive:
    info = tarfile.TarInfo("a/file"); info.size = 3; info.mtime = 12; archive.addfile(info, io.BytesIO(b"abc"))
    info = tarfile.TarInfo("dir"); info.type = tarfile.DIRTYPE; archive.addfile(info)
    info = tarfile.TarInfo("dev"); info.type = tarfile.CHRTYPE; info.devmajor = 1; info.devminor = 3; archive.addfile(info)
    info = tarfile.TarInfo("${"p/".repeat(60)}end"); archive.addfile(info)
`;
    const members = await readAll(run("python3", ["-c", script]));
    expect(members.map(({ entry: { path, type } }) => [path, type])).toEqual([
      ["a/file", "file"],
      ["dir/", "directory"],
      ["dev", "character"],
      [`${"p/".repeat(60)}end`, "file"],
    ]);
    expect(members[2]?.entry).toMatchObject({ devMajor: 1, devMinor: 3 });
  });
});

describe("writeTar()", () => {
  const inputs = [
    {
      entry: entry({ path: "dir", type: "directory", mode: 0o755, mtime: { seconds: 1_600_000_000, nanoseconds: 0 } }),
    },
    file("dir/file", "hello", { uid: 7, gid: 8, mode: 0o640, mtime: { seconds: 1_600_000_000, nanoseconds: 0 } }),
    file(`dir/${"x".repeat(90)}/${"y".repeat(90)}`, "ustar prefix"),
    file(`dir/${longName}`, "pax", { uid: 3_000_000_000, mtime: { seconds: 5, nanoseconds: 120_000_000 } }),
    file("dir/grüße", "utf-8", { xattrs: new Map([["user.k=v", Buffer.from("a\0\nb")]]) }),
    { entry: entry({ path: "dir/sym", type: "symlink", linkName: "s".repeat(200) }) },
    { entry: entry({ path: "dir/hard", type: "hardlink", linkName: "dir/file" }) },
    { entry: entry({ path: "dir/dev", type: "block", devMajor: 8, devMinor: 1 }) },
    { entry: entry({ path: "dir/pipe", type: "fifo" }) },
  ];

  test("writes what GNU tar lists", async () => {
    const listing = run("tar", ["-tvf", "-", "--numeric-owner", "--utc"], await writeAll(inputs)).toString();
    const lines = listing.trimEnd().split("\n");
    expect(lines).toHaveLength(inputs.length);
    expect(lines[0]).toMatch(/^drwxr-xr-x 0\/0 +0 2020-09-13 12:26 dir\/$/);
    expect(lines[1]).toMatch(/^-rw-r----- 7\/8 +5 2020-09-13 12:26 dir\/file$/);
    expect(lines[3]).toMatch(/^-rw-r--r-- 3000000000\/0 +3 1970-01-01 00:00 dir\/deep\//);
    expect(lines[5]).toEndWith(` dir/sym -> ${"s".repeat(200)}`);
    expect(lines[6]).toEndWith(" dir/hard link to dir/file");
    expect(lines[7]).toMatch(/^brw-r--r-- 0\/0 +8,1 .* dir\/dev$/);
  });

  test("writes what GNU tar unpacks, attributes included", async () => {
    const out = join(folder, "out");
    mkdirSync(out);
    const input = await writeAll(inputs.filter(({ entry: { type } }) => type !== "block" && type !== "fifo"));
    run("tar", ["-x", "--xattrs", "-C", out], input);
    const value = run("python3", [
      "-c",
      "import os,sys;sys.stdout.buffer.write(os.getxattr('out/dir/grüße','user.k=v'))",
    ]);
    expect(value.toString()).toBe("a\0\nb");
    expect(run("cat", [join(out, "dir", longName), join(out, "dir/hard")]).toString()).toBe("paxhello");
  });

  test("writes what Python lists", async () => {
    const script = `
import json, sys, tarfile
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
    print(json.dumps([[m.name, m.size, m.uid, m.mtime, m.linkname, int(m.type)] for m in archive]))
`;
    const rows = JSON.parse(run("python3", ["-c", script], await writeAll(inputs)).toString()) as unknown[];
    const kinds = ["file", "hardlink", "symlink", "character", "block", "directory", "fifo"];
    expect(rows).toEqual(
      inputs.map(({ entry: { path, size, uid, mtime, linkName, type } }) => [
        path,
        size,
        uid,
        mtime.seconds + mtime.nanoseconds / 1e9,
        linkName,
        kinds.indexOf(type),
      ]),
    );
  });

  test("writes a plain entry as one block, whose fields have fixed bytes", async () => {
    const archive = await writeAll([file("a/b", "hi", { mode: 0o755, mtime: { seconds: 1, nanoseconds: 0 } })]);
    expect(archive.length).toBe(2048);
    expect(readHeader(archive)).toEqual({
      name: "a/b",
      mode: "0000755\0",
      uid: "0000000\0",
      gid: "0000000\0",
      size: "00000000002\0",
      mtime: "00000000001\0",
      typeFlag: "0",
      magic: "ustar\x0000",
      owners: "",
      devices: "0000000\x000000000\0",
    });
  });

  test("refuses entries that no archive can hold, and bodies of another size", async () => {
    await expect(writeAll([{ entry: entry({ path: "" }) }])).rejects.toThrow(RangeError);
    await expect(writeAll([{ entry: entry({ path: "a\0" }) }])).rejects.toThrow(RangeError);
    await expect(writeAll([{ entry: entry({ path: "a/" }) }])).rejects.toThrow(RangeError);
    await expect(writeAll([{ entry: entry({ path: "a", uid: -1 }) }])).rejects.toThrow(RangeError);
    await expect(writeAll([{ entry: entry({ path: "a", type: "symlink", size: 1 }) }])).rejects.toThrow(RangeError);
    for (const size of [0, 1, 3]) {
      const input = { entry: entry({ path: "a", size }), body: Buffer.from("ab") };
      await expect(writeAll([input])).rejects.toMatchObject({ code: "IO" });
    }
  });
});
