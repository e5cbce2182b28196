// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { decodeClaim, encodeClaim } from "../../../src/oci/signatures/claim.ts";
import { identityMatches, parseName, type SignedIdentity } from "../../../src/oci/signatures/identity.ts";
import { decodePolicy, rulingFor } from "../../../src/oci/signatures/policy.ts";
import { digest, image } from "./support.ts";

function policy(text: string) {
  return decodePolicy(Buffer.from(text), "policy.json");
}

describe("decodePolicy()", () => {
  test("reads every kind of requirement", () => {
    const text = JSON.stringify({
      default: [{ type: "reject" }],
      transports: {
        docker: {
          "a.example/x": [{ type: "signedBy", keyType: "GPGKeys", keyPaths: ["/k1", "/k2"] }],
          "b.example": [{ type: "sigstoreSigned", keyData: "AAAA", rekorPublicKeyPath: "/r" }],
          "*.example": [{ type: "insecureAcceptAnything" }],
        },
      },
    });
    const decoded = policy(text);
    expect(rulingFor(decoded, "a.example", "x/y", ":1")).toMatchObject({ scope: "a.example/x" });
    expect(rulingFor(decoded, "a.example", "xy", ":1")).toMatchObject({ scope: "*.example" });
    expect(rulingFor(decoded, "b.example", "x", ":1").requirements).toMatchObject([
      { signer: { keys: [{ kind: "data" }] }, log: [{ path: "/r" }], identity: { type: "matchRepoDigestOrExact" } },
    ]);
    expect(rulingFor(decoded, "c.d.example:5000", "x", "")).toMatchObject({ scope: "*.example" });
    expect(rulingFor(decoded, "example", "x", "")).toMatchObject({ scope: "default" });
  });

  test("takes the most specific scope", () => {
    const scopes = ["h:1/a/b:t", "h:1/a/b", "h:1/a", "h:1", ""];
    for (const [index, scope] of scopes.entries()) {
      const docker = Object.fromEntries(scopes.slice(index).map((name) => [name, [{ type: "reject" }]]));
      const decoded = policy(JSON.stringify({ default: [{ type: "reject" }], transports: { docker } }));
      expect(rulingFor(decoded, "h:1", "a/b", ":t").scope).toBe(scope === "" ? "docker" : scope);
    }
  });

  test.each([
    ["nothing", ""],
    ["no default", "{}"],
    ["an empty default", '{"default":[]}'],
    ["an unknown key", '{"default":[{"type":"reject"}],"transport":{}}'],
    ["a key twice", '{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}'],
    ["a key twice inside", '{"default":[{"type":"reject","type":"insecureAcceptAnything"}]}'],
    ["an unknown type", '{"default":[{"type":"insecureAcceptAnythin"}]}'],
    ["an unknown member", '{"default":[{"type":"reject","keyPath":"/x"}]}'],
    ["a comment", '{"default":[{"type":"reject"}] /* so */}'],
    ["a trailing comma", '{"default":[{"type":"reject"},]}'],
    ["no key", '{"default":[{"type":"sigstoreSigned"}]}'],
    ["two forms of a key", '{"default":[{"type":"sigstoreSigned","keyPath":"/x","keyData":"AAAA"}]}'],
    ["a relative path", '{"default":[{"type":"sigstoreSigned","keyPath":"x"}]}'],
    ["no base64", '{"default":[{"type":"sigstoreSigned","keyData":"%%%%"}]}'],
    ["an empty list of keys", '{"default":[{"type":"sigstoreSigned","keyPaths":[]}]}'],
    ["a null key", '{"default":[{"type":"sigstoreSigned","keyPath":null}]}'],
    [
      "a certificate without a log",
      '{"default":[{"type":"sigstoreSigned","fulcio":{"caPath":"/c","oidcIssuer":"i","subjectEmail":"s"}}]}',
    ],
    ["an unknown kind of keys", '{"default":[{"type":"signedBy","keyType":"GPGkeys","keyPath":"/x"}]}'],
    ["an unknown identity", '{"default":[{"type":"sigstoreSigned","keyPath":"/x","signedIdentity":{"type":"any"}}]}'],
    ["no UTF-8", Buffer.from([0x7b, 0xff, 0x7d]).toString("latin1")],
  ])("refuses %s, whole", (_, text) => {
    expect(() => decodePolicy(Buffer.from(text, "latin1"), "policy.json")).toThrow(
      expect.objectContaining({ code: "POLICY_INVALID" }),
    );
  });
});

describe("identityMatches()", () => {
  const repository = "registry.example.org/apps/one";
  const byTag = { ...image, tag: "1" };
  const cases: readonly [SignedIdentity, string, typeof image, boolean][] = [
    [{ type: "matchExact" }, `${repository}:1`, byTag, true],
    [{ type: "matchExact" }, `${repository}:2`, byTag, false],
    [{ type: "matchExact" }, repository, byTag, false],
    [{ type: "matchRepoDigestOrExact" }, `${repository}:1`, byTag, true],
    [{ type: "matchRepoDigestOrExact" }, `${repository}:2`, byTag, false],
    [{ type: "matchRepoDigestOrExact" }, `${repository}:2`, image, true],
    [{ type: "matchRepoDigestOrExact" }, "registry.example.org/apps/two:2", image, false],
    [{ type: "matchRepository" }, repository, byTag, true],
    [{ type: "matchRepository" }, `${repository}/more`, byTag, false],
    [{ type: "exactReference", reference: "other.example/a:2" }, "other.example/a:2", byTag, true],
    [{ type: "exactReference", reference: "other.example/a:2" }, "other.example/a:1", byTag, false],
    [{ type: "exactRepository", repository: "other.example/a" }, "other.example/a:9", byTag, true],
    [
      { type: "remapIdentity", prefix: "registry.example.org", signedPrefix: "up.example/m" },
      "up.example/m/apps/one:1",
      byTag,
      true,
    ],
    [
      { type: "remapIdentity", prefix: "registry.example.org/app", signedPrefix: "up.example" },
      "up.example/s/one:1",
      byTag,
      false,
    ],
    [{ type: "matchRepository" }, "", image, false],
    [{ type: "matchRepository" }, `${repository}@sha256:short`, image, false],
    [{ type: "matchRepository" }, `${repository}\0`, image, false],
  ];
  test.each(cases)("%j and %s", (identity, claimed, asked, expected) => {
    expect(identityMatches(identity, claimed, asked)).toBe(expected);
  });

  test("takes names apart", () => {
    expect(parseName(`h.example:5000/a/b:t@${digest}`)).toEqual({ repository: "h.example:5000/a/b", tag: "t", digest });
    for (const text of ["a", "/a", "h/", "h/A", "h/a:", "h/a@", "h/a@x@y"]) expect(parseName(text)).toBeUndefined();
  });
});

describe("decodeClaim()", () => {
  const type = "atomic container signature";
  const good = Buffer.from(encodeClaim({ digest, reference: "h/a" }, type)).toString();
  const read = (text: string) => decodeClaim(Buffer.from(text), type, "payload");

  test("reads what encodeClaim() writes, with anything in optional", () => {
    expect(read(good)).toEqual({ digest, reference: "h/a" });
    expect(read(good.replace('"optional":null', '"optional":{"creator":"x","timestamp":1}'))).toMatchObject({ digest });
  });

  test.each([
    ["another type", good.replace(type, "cosign container image signature")],
    ["an unknown member of critical", good.replace('"type"', '"more":1,"type"')],
    ["a member twice", good.replace('"type"', `"type":"x","type"`)],
    ["an unknown member", good.replace('"optional"', '"extra":1,"optional"')],
    ["no digest", good.replace(digest, "sha256:0")],
    ["nothing", ""],
    ["a list", "[]"],
  ])("refuses %s", (_, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: "SIGNATURE_INVALID" }));
  });
});
