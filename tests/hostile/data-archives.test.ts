// SPDX-License-Identifier: Apache-2.0
// Archives of an app's data that want to write elsewhere, fill the disk, or bring rights along.
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { zstdCompressSync } from "node:zlib";
import type { TarEntry, TarEntryType } from "../../src/formats/tar/entry.ts";
import { encodeHeader } from "../../src/formats/tar/write.ts";
import { ordinaryUser, Sandpit } from "../e2e/support.ts";

const id = "org.example.Probe";

function entry(path: string, type: TarEntryType, text = "", linkName = "", mode = 0o755): Uint8Array {
  const body = Buffer.from(text);
  const header: TarEntry = {
    path,
    type,
    mode,
    uid: 0,
    gid: 0,
    size: body.length,
    mtime: { seconds: 0, nanoseconds: 0 },
    linkName,
    xattrs: new Map(),
    devMajor: type === "character" ? 1 : 0,
    devMinor: type === "character" ? 3 : 0,
  };
  return Buffer.concat([encodeHeader(header), body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

function head(value: unknown = { format: "dowel-data", version: 1, id, profile: "default" }): Uint8Array {
  return entry("dowel-data.json", "file", JSON.stringify(value));
}

const end = Buffer.alloc(1024);

describe("an archive of data", () => {
  const pit = new Sandpit(ordinaryUser);
  const apps = pit.path("home/.var/app");
  const file = pit.path("work/archive");
  const victim = pit.path("work/victim");

  beforeEach(() => {
    mkdirSync(`${apps}/${id}/data`, { recursive: true });
    mkdirSync(victim, { recursive: true });
    writeFileSync(`${victim}/kept`, "kept");
    writeFileSync(`${apps}/${id}/data/mine`, "mine");
    pit.own(pit.path("home"));
    pit.own(pit.path("work"));
  });
  afterAll(() => pit[Symbol.dispose]());

  function take(...parts: readonly Uint8Array[]) {
    writeFileSync(file, zstdCompressSync(Buffer.concat(parts)));
    return pit.dowel(["data", "restore", "-y", id, file]);
  }

  test.each<[string, readonly Uint8Array[], string]>([
    ["whose path leads up", [head(), entry("data/../../x", "file", "x"), end], "TAR_UNSAFE"],
    ["whose path is absolute", [head(), entry(`${victim}/x`, "file", "x"), end], "TAR_UNSAFE"],
    ["with an entry outside of data", [head(), entry("other/x", "file", "x"), end], "DATA_ARCHIVE_INVALID"],
    [
      "with a link as a folder",
      [head(), entry("data/link", "symlink", "", victim), entry("data/link/x", "file", "x"), end],
      "DATA_ARCHIVE_INVALID",
    ],
    [
      "with a link in a file's place",
      [head(), entry("data/link", "symlink", "", `${victim}/kept`), entry("data/link", "file", "x"), end],
      "DATA_ARCHIVE_INVALID",
    ],
    [
      "with a hard link",
      [head(), entry("data/a", "file", "x"), entry("data/b", "hardlink", "", "data/a"), end],
      "DATA_ARCHIVE_INVALID",
    ],
    ["with a device", [head(), entry("data/null", "character"), end], "TAR_UNSAFE"],
    ["with a pipe", [head(), entry("data/pipe", "fifo"), end], "TAR_UNSAFE"],
    ["of another app", [head({ format: "dowel-data", version: 1, id: "org.a.B", profile: "x" }), end], "org.a.B"],
    ["of a later form", [head({ format: "dowel-data", version: 2, id, profile: "x" }), end], "version"],
    ["that says nothing of itself", [entry("data/x", "file", "x"), end], "dowel-data.json"],
    [
      "whose overrides forge",
      [head(), entry("overrides", "file", "[Context]\nsockets=if:x;\n"), end],
      "PERMISSION_INVALID",
    ],
    ["that is cut", [head(), entry("data/x", "file", "x".repeat(2000)).subarray(0, 1000)], "TRANSFER_INCOMPLETE"],
    ["that is empty", [], "DATA_ARCHIVE_INVALID"],
  ])("%s is refused and changes nothing", (_what, parts, word) => {
    const { status, stderr } = take(...parts);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(word) });
    expect(readdirSync(victim)).toEqual(["kept"]);
    expect(readdirSync(apps)).toEqual([id]);
    expect(readdirSync(`${apps}/${id}/data`)).toEqual(["mine"]);
  });

  test("that unpacks to very much more than it is stops early", () => {
    const { status, stderr } = take(head(), entry("data/zeros", "file", "\0".repeat(80 << 20)), end);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("LIMIT_EXCEEDED") });
    expect(readdirSync(apps)).toEqual([id]);
  });

  test("loses special bits, and keeps its overrides to itself", () => {
    const overrides = entry("overrides", "file", "[Context]\nfilesystems=host;\n");
    expect(take(head(), overrides, entry("data/data/tool", "file", "x", "", 0o6755), end).status).toBe(0);
    const found = pit.succeed(["profile", "list", "--json", id]);
    expect(JSON.parse(found)).toMatchObject([{ overrides: false }]);
    expect(existsSync(`${apps}/${id}/data/mine`)).toBe(false);
    const { stdout } = Bun.spawnSync(["stat", "-c", "%a", `${apps}/${id}/data/tool`]);
    expect(stdout.toString()).toBe("755\n");
  });
});
