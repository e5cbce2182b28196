// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../src/base/errors.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { formatImageReference, parseImageReference, parseRemoteAddress } from "../../src/oci/reference.ts";

const digest = digestOf(Buffer.from("x"));

function codeOf(work: () => unknown): string {
  try {
    work();
    return "none";
  } catch (error) {
    return isDowelError(error) ? error.code : String(error);
  }
}

describe("parseImageReference()", () => {
  test("reads every form and formatImageReference() writes it back", () => {
    const good = [
      "docker://quay.io/fedora/f:40",
      `docker://localhost:5000/a/b_c/d--e:v1.2@${digest}`,
      `docker://[::1]:5000/a@${digest}`,
      "oci:/var/lib/x",
      "oci:rel/dir:app/org.a.B/x86_64/stable",
      "oci-archive:/x.tar:latest",
    ];
    for (const text of good) expect(formatImageReference(parseImageReference(text))).toBe(text);
    expect(parseImageReference("docker://h:1/r:t")).toEqual({
      transport: "docker",
      host: "h:1",
      repository: "r",
      tag: "t",
    });
    expect(parseImageReference("oci:d:n:m")).toEqual({ transport: "oci", path: "d", name: "n:m" });
  });

  test("throws IMAGE_REFERENCE_INVALID for what is none", () => {
    const bad = [
      "",
      "docker://",
      "docker://host",
      "docker://host/",
      "docker://host/UPPER",
      "docker://host/a:b:c",
      "docker://host/a@sha256:12",
    ];
    const worse = [
      "docker:///a",
      "docker://user@host/a",
      "docker://host:99999/a",
      "docker://host/../a",
      "docker://host/a/",
      "oci:",
      "oci-archive::x",
      "oci://x",
      "docker-archive:x",
    ];
    for (const text of [...bad, ...worse])
      expect([text, codeOf(() => parseImageReference(text))]).toEqual([text, "IMAGE_REFERENCE_INVALID"]);
  });

  test("parses or throws IMAGE_REFERENCE_INVALID when the text is anything", () => {
    const prefix = fc.constantFrom("docker://", "oci:", "oci-archive:", "oci+https://", "");
    fc.assert(
      fc.property(prefix, fc.string(), (start, rest) => {
        expect(["none", "IMAGE_REFERENCE_INVALID"]).toContain(codeOf(() => parseImageReference(start + rest)));
        expect(["none", "IMAGE_REFERENCE_INVALID"]).toContain(codeOf(() => parseRemoteAddress(start + rest)));
      }),
    );
  });
});

describe("parseRemoteAddress()", () => {
  test("reads host, path and tag", () => {
    expect(parseRemoteAddress("oci+https://example.org")).toEqual({ baseUrl: "https://example.org/", tag: "latest" });
    expect(parseRemoteAddress("oci+http://127.0.0.1:5000/apps#beta")).toEqual({
      baseUrl: "http://127.0.0.1:5000/apps/",
      tag: "beta",
    });
  });

  test("refuses credentials, queries and bad tags", () => {
    for (const text of ["oci+https://a:b@c/", "oci+https://c/?x", "oci+https://c/#a b", "https://c/", "oci+ftp://c/"]) {
      expect(codeOf(() => parseRemoteAddress(text))).toBe("IMAGE_REFERENCE_INVALID");
    }
  });
});
