// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { parseStaticIndex, staticIndexUrl } from "../../src/remotes/staticindex.ts";

const digest = "a".repeat(64);
const image = {
  Digest: `sha256:${digest}`,
  MediaType: "application/vnd.oci.image.manifest.v1+json",
  OS: "linux",
  Architecture: "amd64",
  Tags: ["latest"],
  Labels: { "org.flatpak.ref": "app/org.example.A/x86_64/stable" },
};

test("staticIndexUrl() asks as Flatpak does", () => {
  expect(staticIndexUrl("https://h/p/", "aarch64", "latest")).toBe(
    "https://h/p/index/static?architecture=arm64&label%3Aorg.flatpak.ref%3Aexists=1&os=linux&tag=latest",
  );
  expect(staticIndexUrl("https://h/p/index/", "x86_64", undefined)).toBe(
    "https://h/p/index/static?architecture=amd64&label%3Aorg.flatpak.ref%3Aexists=1&os=linux",
  );
});

test("parseStaticIndex() reads images, and those of lists", () => {
  const second = { ...image, Digest: `sha256:${"b".repeat(64)}` };
  const text = JSON.stringify({
    Registry: "/",
    Results: [{ Name: "ns/a", Images: [image], Lists: [{ Digest: "x", MediaType: "y", Images: [second] }] }],
  });
  const index = parseStaticIndex(text, "index");
  expect(index.registry).toBe("/");
  expect(index.images.map(({ repository, commit, tags }) => [repository, commit, tags])).toEqual([
    ["ns/a", digest, ["latest"]],
    ["ns/a", "b".repeat(64), ["latest"]],
  ]);
});

test("parseStaticIndex() leaves images out when system, digest or media type do not suit", () => {
  const unsuitable = [
    { ...image, OS: "windows" },
    { ...image, Digest: `sha512:${"a".repeat(128)}` },
    { ...image, Digest: "nonsense" },
    { ...image, MediaType: "application/vnd.example" },
  ];
  const text = JSON.stringify({ Registry: "/", Results: [{ Name: "a", Images: unsuitable }] });
  expect(parseStaticIndex(text, "index").images).toEqual([]);
});

test.each([
  ["<html>", "not valid JSON"],
  ["[]", "the document must be an object"],
  ['{"Registry":"/"}', "Results must be an array"],
  ['{"Registry":1,"Results":[]}', "Registry must be a string"],
  ['{"Registry":"/","Results":[{"Images":[]}]}', "Results[0].Name must be a string"],
  ['{"Registry":"/","Results":[{"Name":"a","Images":[7]}]}', "Results[0].Images[0] must be an object"],
])("parseStaticIndex() refuses %p", (text, message) => {
  expect(() => parseStaticIndex(text, "index of x")).toThrow(
    expect.objectContaining({ code: "REGISTRY_RESPONSE", message: expect.stringContaining(message) }),
  );
});
