// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { formatLocation, looksLikeLocation, parseLocation } from "../../src/remotes/location.ts";

test("parseLocation() splits a registry's address when it has namespace, port and tag", () => {
  expect(parseLocation("oci+http://127.0.0.1:5000/demo/apps#beta")).toEqual({
    kind: "registry",
    baseUrl: "http://127.0.0.1:5000/demo/apps/",
    host: "127.0.0.1:5000",
    secure: false,
    namespace: "demo/apps",
    tag: "beta",
  });
});

test("parseLocation() takes TLS for docker:// unless the host is this machine", () => {
  expect(parseLocation("docker://registry.example/ns")).toMatchObject({ secure: true, namespace: "ns" });
  expect(parseLocation("docker://localhost:5000/ns")).toMatchObject({ secure: false });
  expect(parseLocation("docker://127.0.0.1.example/ns")).toMatchObject({ secure: true });
});

test("parseLocation() makes paths absolute when they are relative", () => {
  expect(parseLocation("oci:build/out")).toEqual({ kind: "layout", path: resolve("build/out") });
  expect(parseLocation("oci-archive:/tmp/x.tar")).toEqual({ kind: "archive", path: "/tmp/x.tar" });
});

test("parseLocation() drops index from the namespace when the address ends in it", () => {
  expect(parseLocation("oci+https://host/flatpak/index")).toMatchObject({ namespace: "flatpak" });
});

test.each([
  "https://host/x",
  "oci+ftp://host/x",
  "oci+https://user:secret@host/x",
  "oci+https://host/x#a#b",
  "oci:",
  "oci:dir:name",
  "docker://",
  "",
])("parseLocation() refuses %p", (text) => {
  expect(() => parseLocation(text)).toThrow(expect.objectContaining({ code: "IMAGE_REFERENCE_INVALID" }));
});

test("formatLocation() gives back what parseLocation() read", () => {
  for (const text of [
    "oci+http://h:1/a/b#t",
    "oci+https://h",
    "oci:/a/b",
    "oci-archive:/a.tar",
    "docker://h:1/a/b:t",
    `docker://h/a@sha256:${"0".repeat(64)}`,
  ]) {
    expect(parseLocation(formatLocation(parseLocation(text)))).toEqual(parseLocation(text));
  }
});

test("looksLikeLocation() tells locations from remote names and refs", () => {
  expect(looksLikeLocation("oci:dir")).toBe(true);
  expect(looksLikeLocation("docker://h/r")).toBe(true);
  expect(looksLikeLocation("flathub")).toBe(false);
  expect(looksLikeLocation("org.example.App")).toBe(false);
});
