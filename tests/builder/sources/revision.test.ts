// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { silent } from "../../../src/base/events.ts";
import { fetchRevision, placeRevision, type RevisionSource } from "../../../src/builder/sources/revision.ts";
import { StateFolder } from "../../../src/builder/state.ts";
import { rejectionOf, TestFolder } from "../support.ts";

function source(location: string, more: Partial<RevisionSource> = {}): RevisionSource {
  const base = { where: "m.yml:1:1", dest: [], onlyArches: [], skipArches: [] } as const;
  return { ...base, type: "svn", location, revision: undefined, ...more };
}

/** A repository whose revisions 1 and 2 have a file `a` with another text each. */
function makeRepository(folder: TestFolder): string {
  const [repository, copy] = [folder.join("repository"), folder.join("copy")];
  const svn = (...words: readonly string[]) => execFileSync("svn", ["--non-interactive", "-q", ...words]);
  execFileSync("svnadmin", ["create", repository]);
  svn("checkout", `file://${repository}`, copy);
  for (const text of ["one", "two"]) {
    folder.write("copy/deep/a", text);
    svn("add", "--force", `${copy}/deep`);
    svn("commit", "-m", text, copy);
  }
  return repository;
}

async function checkOut(folder: TestFolder, from: RevisionSource): Promise<readonly [string, string]> {
  const context = { state: new StateFolder(folder.join("state")), excluded: [], report: silent, signal: undefined };
  const target = folder.join("target");
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  const revision = await fetchRevision(from, context);
  placeRevision(from, target, context);
  expect(existsSync(`${target}/.svn`)).toBe(false);
  return [revision, readFileSync(`${target}/deep/a`, "utf8")];
}

describe("svn sources", () => {
  test("check out the newest revision or the one that is named, and need the repository no more then", async () => {
    using folder = new TestFolder();
    const repository = makeRepository(folder);
    expect(await checkOut(folder, source(`file://${repository}`))).toEqual(["2", "two"]);
    expect(await checkOut(folder, source(`file://${repository}`, { revision: "1" }))).toEqual(["1", "one"]);
    expect(await checkOut(folder, source(repository, { revision: "2" }))).toEqual(["2", "two"]);
    rmSync(repository, { recursive: true });
    expect(await checkOut(folder, source(repository, { revision: "2" }))).toEqual(["2", "two"]);
    const error = await rejectionOf(checkOut(folder, source(repository, { revision: "1" })));
    expect([error.code, error.message]).toEqual(["SOURCE_FETCH", expect.stringContaining(repository)]);
  });

  test.each(["svn+ssh://host/x", "ext::sh", "--config-option=x", "relative"])(
    "refuse %p, by which another program would be started or an option given",
    async (location) => {
      using folder = new TestFolder();
      const error = await rejectionOf(checkOut(folder, source(location)));
      expect([error.code, error.message]).toEqual(["SOURCE_FETCH", expect.stringContaining("m.yml:1:1: expected")]);
    },
  );
});
