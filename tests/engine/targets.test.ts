// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { parseInstallTarget } from "../../src/engine/targets.ts";

const remotes = [{ name: "demo" }];
const read = (...words: string[]) => parseInstallTarget(words, remotes);

test("parseInstallTarget() takes a first word that names a remote for it", () => {
  expect(read("demo", "org.a.B", "org.a.C")).toEqual({ kind: "refs", remote: "demo", refs: ["org.a.B", "org.a.C"] });
  expect(read("org.a.B", "demo")).toEqual({ kind: "refs", remote: undefined, refs: ["org.a.B", "demo"] });
});

test("parseInstallTarget() takes refs behind a location or after it", () => {
  const layout = { kind: "layout", path: "/x/y" };
  expect(read("oci:/x/y")).toEqual({ kind: "direct", location: layout, refs: [] } as never);
  expect(read("oci:/x/y:app/org.a.B/x86_64/stable")).toMatchObject({ refs: ["app/org.a.B/x86_64/stable"] });
  expect(read("oci:/x/y", "org.a.B", "org.a.C")).toMatchObject({ location: layout, refs: ["org.a.B", "org.a.C"] });
  expect(read("oci-archive:/x.tar:v1")).toMatchObject({ location: { kind: "archive", path: "/x.tar" }, refs: ["v1"] });
});

test("parseInstallTarget() takes docker:// without refs for an image, and with refs for a namespace", () => {
  const image = { kind: "image", host: "h:1", repository: "a/b" };
  expect(read("docker://h:1/a/b")).toMatchObject({ location: { ...image, reference: "latest" }, refs: [] });
  expect(read("docker://h:1/a/b:v1")).toMatchObject({ location: { ...image, reference: "v1" } });
  expect(read("docker://h:1/a", "org.a.B")).toMatchObject({ location: { kind: "registry", namespace: "a" } });
  expect(read("oci+http://h:1/a", "org.a.B")).toMatchObject({ location: { kind: "registry", secure: false } });
});

test.each([
  [[], "Name what to install"],
  [["demo"], "Name a ref"],
  [["oci+http://h/a"], "whole registry"],
  [["oci:/x:org.a.B", "org.a.C"], "not both"],
])("parseInstallTarget() refuses %p", (words, message) => {
  expect(() => parseInstallTarget(words, remotes)).toThrow(
    expect.objectContaining({ code: "USAGE", message: expect.stringContaining(message) }),
  );
});
