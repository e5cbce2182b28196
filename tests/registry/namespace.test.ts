// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { push } from "../../src/engine/push.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { makeLayout } from "../e2e/support.ts";

test("serveRegistry() answers Flatpak's index for a namespace alone, and for everything", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dowel-index-"));
  try {
    const layout = makeLayout(folder);
    await using registry = await serveRegistry({ folder: join(folder, "registry"), listen: "127.0.0.1:0" });
    for (const name of ["one", "one/deep", "other"]) {
      await push(`oci:${layout}`, `${registry.address.replace("http", "oci+http")}/${name}`);
    }
    const names = async (path: string): Promise<string[]> => {
      const answer = await fetch(`${registry.address}${path}/index/static?tag=latest&label:org.flatpak.ref:exists=1`);
      const index = (await answer.json()) as { Registry: string; Results: { Name: string }[] };
      expect(index.Registry).toBe("/");
      return index.Results.map(({ Name }) => Name);
    };
    const both = (prefix: string): string[] => [`${prefix}/org.example.platform`, `${prefix}/org.example.probe`];
    expect(await names("/one/deep")).toEqual(both("one/deep"));
    expect(await names("/other")).toEqual(both("other"));
    expect(await names("/oth")).toEqual([]);
    expect(await names("")).toEqual(both("one/deep"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
