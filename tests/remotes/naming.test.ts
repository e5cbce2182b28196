// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { isValidId } from "../../src/metadata/ref.ts";
import { isRepositoryName } from "../../src/oci/reference.ts";
import { repositoryFor, tagsFor } from "../../src/remotes/naming.ts";

test("repositoryFor() puts the id in lower case below the namespace", () => {
  expect(repositoryFor("demo", { id: "org.example.Hello" })).toBe("demo/org.example.hello");
  expect(repositoryFor("", { id: "org.example.Hello" })).toBe("org.example.hello");
  expect(repositoryFor("a/b", { id: "org.example.Hello_World-2" })).toBe("a/b/org.example.hello_world-2");
});

test("repositoryFor() keeps ids apart when their letters are not allowed in a repository", () => {
  const names = ["org._x.App", "org.x_.App", "org.x___.App", "org.x.App"].map((id) => repositoryFor("", { id }));
  expect(new Set(names).size).toBe(names.length);
  expect(repositoryFor("", { id: "_._._" })).toMatch(/^x[0-9a-f]{12}$/);
});

const element = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
const id = fc
  .tuple(element, element, fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,8}$/))
  .map((parts) => parts.join("."))
  .filter(isValidId);

test("repositoryFor() gives a valid repository name for every id", () => {
  fc.assert(fc.property(id, (name) => isRepositoryName(repositoryFor("ns", { id: name }))));
});

test("tagsFor() names the branch and latest, each once", () => {
  expect(tagsFor({ branch: "stable" })).toEqual(["stable", "latest"]);
  expect(tagsFor({ branch: "latest" })).toEqual(["latest"]);
});
