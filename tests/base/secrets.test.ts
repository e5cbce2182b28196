// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { DowelError } from "../../src/base/errors.ts";
import { keepSecret } from "../../src/base/secrets.ts";

test.each([
  ["as it is", 'said "Zq9/+xYz wV=="', 'said "…"'],
  ["in an address", "GET https://example.org/Zq9/+xYz%20wV==/x", "GET https://example.org/…/x"],
  ["as a part of an address", "https://example.org/?t=Zq9%2F%2BxYz%20wV%3D%3D", "https://example.org/?t=…"],
  ["in small letters", "zq9/+xyz wv== and more", "… and more"],
  ["twice", "Zq9/+xYz wV==Zq9/+xYz wV==", "……"],
  ["not", "nothing of it", "nothing of it"],
])("an error leaves out a secret that comes back %s", (_, text, shown) => {
  keepSecret("Zq9/+xYz wV==");
  expect(new DowelError("REGISTRY_RESPONSE", text, { hint: text })).toMatchObject({ message: shown, hint: shown });
});

test("an error leaves out user and password of an address, and nothing else of it", () => {
  for (const [text, shown] of [
    ['Image "oci+https://me:hunter-two@h.example:5/a": no', 'Image "oci+https://…@h.example:5/a": no'],
    ["GET https://token@h.example/x@y", "GET https://…@h.example/x@y"],
    ["docker://h.example:5/a:tag@sha256:00", "docker://h.example:5/a:tag@sha256:00"],
  ] as const) {
    expect(new DowelError("USAGE", text).message).toBe(shown);
  }
});

test("keepSecret() passes over texts that are parts of any word", () => {
  for (const text of ["", "a", "er"]) keepSecret(text);
  expect(new DowelError("USAGE", "a message").message).toBe("a message");
});

test("keepSecret() keeps what is used again, whatever a registry sends meanwhile", () => {
  keepSecret("kept-for-long");
  for (let at = 0; at < 3000; at++) {
    keepSecret(`token-${at}-of-many`);
    if (at % 1000 === 0) keepSecret("kept-for-long");
  }
  expect(new DowelError("USAGE", "kept-for-long, token-2999-of-many").message).toBe("…, …");
});
