// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeLayer } from "../../src/sandbox/layer.ts";
import type { LayerEntry } from "../../src/sandbox/spec/types.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-layer-"));
  mkdirSync(join(folder, "layers"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const entries: LayerEntry[] = [
  { kind: "directory", path: "/etc" },
  { kind: "file", path: "/etc/passwd", text: "ann:x:1000:\n" },
  { kind: "symlink", path: "/lib", to: "usr/lib" },
];

describe("storeLayer()", () => {
  test("storeLayer() writes what the entries say, readable for the sandbox whatever the umask", () => {
    const umask = process.umask(0o077);
    try {
      const path = storeLayer(folder, entries);
      expect(readFileSync(join(path, "etc/passwd"), "utf8")).toBe("ann:x:1000:\n");
      expect(readlinkSync(join(path, "lib"))).toBe("usr/lib");
      const modes = ["", "etc", "etc/passwd"].map((name) => lstatSync(join(path, name)).mode & 0o777);
      expect(modes).toEqual([0o755, 0o755, 0o644]);
    } finally {
      process.umask(umask);
    }
  });

  test("storeLayer() gives equal entries one folder and marks it as used", () => {
    const path = storeLayer(folder, entries);
    utimesSync(path, 1000, 1000);
    expect(storeLayer(folder, entries)).toBe(path);
    expect(lstatSync(path).mtimeMs).toBeGreaterThan(1_000_000);
    expect(storeLayer(folder, entries.slice(0, 1))).not.toBe(path);
    expect(readdirSync(join(folder, "layers"))).toHaveLength(2);
  });

  test("storeLayer() copies files and leaves nothing behind where one is missing", () => {
    const source = join(folder, "source");
    writeFileSync(source, new Uint8Array([0, 255]), { mode: 0o600 });
    const copied = join(storeLayer(folder, [{ kind: "copy", path: "/cache", source }]), "cache");
    expect([...readFileSync(copied)]).toEqual([0, 255]);
    expect(lstatSync(copied).mode & 0o777).toBe(0o644);
    expect(() => storeLayer(folder, [{ kind: "copy", path: "/cache", source: "/missing" }])).toThrow(
      expect.objectContaining({ code: "IO" }),
    );
    expect(readdirSync(join(folder, "layers"))).toHaveLength(1);
  });
});
