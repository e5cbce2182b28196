// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import type { BuildFacts } from "../../../src/builder/attest/facts.ts";
import { encodeProvenance } from "../../../src/builder/attest/provenance.ts";
import { encodeSpdx } from "../../../src/builder/attest/spdx.ts";
import type { Digest } from "../../../src/oci/digest.ts";

const about = {
  ref: { kind: "app", id: "org.example.App", arch: "x86_64", branch: "stable" },
  digest: `sha256:${"a1".repeat(32)}` as Digest,
  timestamp: 1_321_009_871,
  appdata:
    "<component><id>org.example.App</id><project_license>GPL-3.0-or-later</project_license><releases><release version='2.5'/></releases></component>",
} as const;
const sum = "0f".repeat(32);
const facts: BuildFacts = {
  kind: "manifest",
  modules: [
    {
      name: "lib über",
      sources: [
        {
          ...{ type: "archive", name: "lib-1.2.tar.xz", location: "https://example.org/lib-1.2.tar.xz" },
          ...{ version: "1.2", commit: undefined, checksums: [["sha256", sum]] },
        },
        {
          ...{ type: "git", name: "lib", location: "https://example.org/lib" },
          ...{ version: "v1", commit: "c0".repeat(20), checksums: [] },
        },
        { type: "dir", name: "here", location: undefined, version: undefined, commit: undefined, checksums: [] },
      ],
    },
    { name: "app", sources: [] },
  ],
  packages: [
    {
      ...{ name: "libc6", version: "2.36-9+deb12u1", arch: "amd64" },
      licence: { expression: "LicenseRef-debian-odd", others: new Map([["LicenseRef-debian-odd", "odd"]]) },
    },
    { name: "tzdata", version: "1", arch: "all", licence: undefined },
  ],
  images: [
    { role: "runtime", ref: "runtime/org.example.Platform/x86_64/1", commit: undefined },
    { role: "sdk", ref: "runtime/org.example.Sdk/x86_64/1", commit: "b2".repeat(32) },
  ],
  files: [["app.yml", sum]],
  parameters: { layout: "flatpak", compression: "gzip" },
  suite: "bookworm",
};

interface Spdx {
  readonly packages: readonly Readonly<Record<string, unknown>>[];
  readonly relationships: readonly Readonly<Record<string, string>>[];
  readonly [key: string]: unknown;
}
const spdx = JSON.parse(Buffer.from(encodeSpdx(about, facts)).toString()) as Spdx;
const named = (name: string) => spdx.packages.filter((one) => one["name"] === name);

describe("encodeSpdx()", () => {
  test("has what SPDX 2.3 requires, of a document and of every package", () => {
    expect(Object.keys(spdx)).toEqual(
      expect.arrayContaining(["spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo"]),
    );
    expect(spdx["creationInfo"]).toMatchObject({ created: "2011-11-11T11:11:11Z" });
    expect(spdx["documentNamespace"]).toBe(
      `https://spdx.org/spdxdocs/app-org.example.App-x86_64-stable-${"a1".repeat(32)}`,
    );
    const ids = spdx.packages.map((one) => String(one["SPDXID"]));
    expect(new Set(ids).size).toBe(ids.length);
    for (const one of spdx.packages) {
      expect(one["SPDXID"]).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
      expect(typeof one["downloadLocation"]).toBe("string");
      expect(one["filesAnalyzed"]).toBe(false);
    }
  });

  test("relates every package, and only what is there", () => {
    const ids = new Set(["SPDXRef-DOCUMENT", ...spdx.packages.map((one) => String(one["SPDXID"]))]);
    const related = new Set<string>();
    for (const { spdxElementId = "", relatedSpdxElement = "" } of spdx.relationships) {
      expect([ids.has(spdxElementId), ids.has(relatedSpdxElement)]).toEqual([true, true]);
      related.add(spdxElementId).add(relatedSpdxElement);
    }
    expect(related).toEqual(ids);
    expect(spdx.relationships).toContainEqual({
      spdxElementId: "SPDXRef-Image-2-org.example.Sdk",
      relationshipType: "BUILD_DEPENDENCY_OF",
      relatedSpdxElement: "SPDXRef-Image",
    });
  });

  test("tells the image, its sources with checksums, and packages of a distribution", () => {
    expect(named("org.example.App")).toMatchObject([{ versionInfo: "2.5", licenseDeclared: "GPL-3.0-or-later" }]);
    expect(named("lib-1.2.tar.xz")).toMatchObject([
      {
        versionInfo: "1.2",
        downloadLocation: "https://example.org/lib-1.2.tar.xz",
        checksums: [{ algorithm: "SHA256", checksumValue: sum }],
      },
    ]);
    expect(named("lib")).toMatchObject([{ downloadLocation: `git+https://example.org/lib@${"c0".repeat(20)}` }]);
    expect(named("here")).toMatchObject([{ downloadLocation: "NOASSERTION" }]);
    expect(named("libc6")).toMatchObject([
      {
        licenseDeclared: "LicenseRef-debian-odd",
        externalRefs: [{ referenceLocator: "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=bookworm" }],
      },
    ]);
    expect(spdx["hasExtractedLicensingInfos"]).toMatchObject([{ licenseId: "LicenseRef-debian-odd", name: "odd" }]);
  });

  test("leaves out a licence that is no expression", () => {
    const appdata = "<component><project_license>as you like; really</project_license></component>";
    const text = Buffer.from(encodeSpdx({ ...about, appdata }, facts)).toString();
    expect((JSON.parse(text) as Spdx).packages[0]).toMatchObject({ licenseDeclared: "NOASSERTION" });
  });
});

test("encodeProvenance() names the image, how it was made, and all that had a digest", () => {
  expect(JSON.parse(Buffer.from(encodeProvenance(about, facts)).toString())).toEqual({
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: "app/org.example.App/x86_64/stable", digest: { sha256: "a1".repeat(32) } }],
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: "https://dowel.org/build/manifest/v1",
        externalParameters: {
          ...{ ref: "app/org.example.App/x86_64/stable", manifest: "app.yml" },
          ...{ layout: "flatpak", compression: "gzip" },
        },
        internalParameters: { sourceDateEpoch: 1_321_009_871 },
        resolvedDependencies: [
          { name: "app.yml", digest: { sha256: sum } },
          { name: "sdk runtime/org.example.Sdk/x86_64/1", digest: { sha256: "b2".repeat(32) } },
          { name: "lib-1.2.tar.xz", uri: "https://example.org/lib-1.2.tar.xz", digest: { sha256: sum } },
          { name: "lib", uri: "git+https://example.org/lib", digest: { gitCommit: "c0".repeat(20) } },
          { uri: "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=bookworm" },
          { uri: "pkg:deb/debian/tzdata@1?arch=all&distro=bookworm" },
        ],
      },
      runDetails: {
        builder: { id: "https://dowel.org/build/local/v1", version: { dowel: expect.any(String) } },
        metadata: {},
      },
    },
  });
});
