// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { parseAuthFile } from "../../../src/oci/client/authfiles.ts";
import { parseChallenges } from "../../../src/oci/client/challenge.ts";
import { credentialsFromFiles, findCredentials, readAuths } from "../../../src/oci/client/credentials.ts";
import { scratchFolder } from "../sample.ts";

const basic = (text: string): string => Buffer.from(text).toString("base64");

describe("parseChallenges()", () => {
  test("reads several challenges, quoted commas and escapes", () => {
    const header =
      'Bearer realm="https://a/token",service="x,y",scope="repository:a:pull,push", Basic realm="a \\"b\\""';
    const [bearer, second] = parseChallenges(header);
    expect(bearer?.scheme).toBe("bearer");
    expect([...(bearer?.parameters ?? [])]).toEqual([
      ["realm", "https://a/token"],
      ["service", "x,y"],
      ["scope", "repository:a:pull,push"],
    ]);
    expect(second?.parameters.get("realm")).toBe('a "b"');
  });

  test("ends when the header is anything", () => {
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseChallenges(text))));
  });
});

describe("credentials", () => {
  test("findCredentials() takes the longest prefix, and Docker Hub by its old name", () => {
    const auths = {
      "quay.io": { auth: basic("host:1") },
      "quay.io/ns": { auth: basic("ns:2") },
      "https://index.docker.io/v1/": { auth: basic("hub:3:4") },
      "empty.example": {},
      "token.example": { identitytoken: "refresh" },
    };
    const entries = readAuths(parseAuthFile(JSON.stringify({ auths }), "test"));
    expect(findCredentials(entries, "quay.io", "ns/app")?.user).toBe("ns");
    expect(findCredentials(entries, "quay.io", "other/app")?.user).toBe("host");
    expect(findCredentials(entries, "registry-1.docker.io", "library/x")).toMatchObject({
      user: "hub",
      password: "3:4",
    });
    expect(findCredentials(entries, "empty.example", "a")).toBeUndefined();
    expect(findCredentials(entries, "token.example", "")?.identityToken).toBe("refresh");
    expect(findCredentials(entries, "quay.io.evil.example", "ns/app")).toBeUndefined();
  });

  test("credentialsFromFiles() reads only REGISTRY_AUTH_FILE where it is set", async () => {
    await using scratch = await scratchFolder();
    const path = join(scratch.path, "auth.json");
    await writeFile(path, JSON.stringify({ auths: { "a.example": { auth: basic("u:p") } } }));
    const lookup = credentialsFromFiles({ REGISTRY_AUTH_FILE: path, HOME: scratch.path });
    expect(await lookup("a.example", "x")).toEqual({ user: "u", password: "p" });
    await writeFile(path, "{");
    expect(await lookup("a.example", "x").catch((error) => error.code)).toBe("JSON_SYNTAX");
  });
});
