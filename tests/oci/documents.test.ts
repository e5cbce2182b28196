// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../src/base/errors.ts";
import { decodeConfig, encodeConfig } from "../../src/oci/config.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { digestOf, parseDigest } from "../../src/oci/digest.ts";
import { decodeFlatpakLabels, encodeFlatpakLabels, type FlatpakLabels } from "../../src/oci/labels.ts";
import { decodeDocument, decodeIndex, encodeIndex, encodeManifest, guessMediaType } from "../../src/oci/manifest.ts";
import { mediaTypes } from "../../src/oci/mediatypes.ts";
import { choosePlatform } from "../../src/oci/platform.ts";
import { sampleConfig } from "./sample.ts";

const digests = fc.uint8Array({ maxLength: 8 }).map((bytes) => digestOf(bytes));
const maps = fc
  .array(fc.tuple(fc.string({ minLength: 1 }), fc.string()), { maxLength: 4 })
  .map((entries) => new Map(entries));
const descriptors = fc.record({ mediaType: fc.string(), digest: digests, size: fc.nat() });

function codeOf(work: () => unknown): string {
  try {
    work();
    return "none";
  } catch (error) {
    return isDowelError(error) ? error.code : String(error);
  }
}

function decodeText(value: unknown, mediaType: string = mediaTypes.ociManifest): unknown {
  return decodeDocument(Buffer.from(JSON.stringify(value)), mediaType, "test");
}

describe("digests", () => {
  test("parseDigest() takes sha256 and sha512 and nothing else", () => {
    expect(parseDigest(digestOf(Buffer.from("a"), "sha512"))).toStartWith("sha512:");
    for (const text of [
      "",
      "sha256:",
      `sha256:${"A".repeat(64)}`,
      `md5:${"0".repeat(32)}`,
      `sha256:${"0".repeat(64)}\n`,
    ]) {
      expect(codeOf(() => parseDigest(text))).toBe("DIGEST_INVALID");
    }
  });
});

describe("manifests and indexes", () => {
  test("decodeDocument() gives back what encodeManifest() wrote", () => {
    const manifests = fc.record({
      config: descriptors,
      layers: fc.array(descriptors, { maxLength: 3 }),
      annotations: maps,
    });
    fc.assert(
      fc.property(manifests, (fields) => {
        const manifest = { ...fields, mediaType: mediaTypes.ociManifest };
        const bytes = encodeManifest(manifest);
        expect(decodeDocument(bytes, manifest.mediaType, "test")).toEqual({ kind: "manifest", ...manifest });
        expect(guessMediaType(bytes, "test")).toBe(mediaTypes.ociManifest);
      }),
    );
  });

  test("encodeIndex() gives the same bytes whatever the order of annotations", () => {
    fc.assert(
      fc.property(maps, fc.array(descriptors), (annotations, manifests) => {
        const reversed = new Map([...annotations].reverse());
        const index = { mediaType: mediaTypes.ociIndex, manifests };
        const bytes = encodeIndex({ ...index, annotations });
        expect(Buffer.compare(bytes, encodeIndex({ ...index, annotations: reversed }))).toBe(0);
        expect(decodeIndex(bytes, mediaTypes.ociIndex, "test").annotations).toEqual(annotations);
      }),
    );
  });

  test("decodeDocument() throws a DowelError when the bytes are anything", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          const code = codeOf(() => decodeDocument(bytes, mediaTypes.ociManifest, "test"));
          expect(["OCI_MANIFEST_INVALID", "none"]).toContain(code);
        },
      ),
    );
  });

  test("decodeDocument() refuses both kinds at once, another type than stated, and too much", () => {
    const config = { mediaType: mediaTypes.ociConfig, digest: digestOf(Buffer.from("")), size: 0 };
    const good = { schemaVersion: 2, config, layers: [] };
    expect(codeOf(() => decodeText(good))).toBe("none");
    expect(codeOf(() => decodeText({ ...good, manifests: [] }))).toBe("OCI_MANIFEST_INVALID");
    expect(codeOf(() => decodeText({ ...good, mediaType: mediaTypes.dockerManifest }))).toBe("OCI_MANIFEST_INVALID");
    expect(codeOf(() => decodeText(good, "text/html"))).toBe("OCI_MANIFEST_INVALID");
    expect(codeOf(() => decodeText({ ...good, schemaVersion: 1 }))).toBe("OCI_MANIFEST_INVALID");
    expect(codeOf(() => decodeText({ ...good, layers: Array(600).fill(config) }))).toBe("OCI_MANIFEST_INVALID");
    expect(codeOf(() => decodeText({ ...good, layers: [{ ...config, size: -1 }] }))).toBe("OCI_MANIFEST_INVALID");
    expect(codeOf(() => decodeText({ ...good, layers: [{ ...config, digest: "sha256:../x" }] }))).toBe(
      "OCI_MANIFEST_INVALID",
    );
    const huge = Buffer.alloc(5_000_000, " ");
    expect(codeOf(() => decodeDocument(huge, mediaTypes.ociManifest, "test"))).toBe("LIMIT_EXCEEDED");
  });
});

describe("platforms", () => {
  const entry = (architecture: string, variant?: string, mediaType: string = mediaTypes.ociManifest): Descriptor => ({
    mediaType,
    digest: digestOf(Buffer.from(architecture + variant)),
    size: 1,
    platform: { os: "linux", architecture, ...(variant === undefined ? {} : { variant }) },
  });
  const indexOf = (...manifests: Descriptor[]) =>
    ({ kind: "index", mediaType: mediaTypes.ociIndex, manifests, annotations: new Map() }) as const;

  test("choosePlatform() takes the first that fits, by Flatpak's name, and skips unknown media types", () => {
    const index = indexOf(
      entry("amd64", undefined, "application/x-other"),
      entry("arm64", "v8"),
      entry("amd64"),
      entry("arm", "v7"),
      entry("arm", "v6"),
    );
    expect(index.manifests.indexOf(choosePlatform(index, "x86_64", "test"))).toBe(2);
    expect(index.manifests.indexOf(choosePlatform(index, "aarch64", "test"))).toBe(1);
    expect(index.manifests.indexOf(choosePlatform(index, "arm", "test"))).toBe(3);
  });

  test.each([
    ["x86_64", "amd64", ["v3", undefined, "v2"], undefined],
    ["x86_64", "amd64", ["v4", "v2", "v3"], "v2"],
    ["x86_64", "amd64", ["v9", "v3"], "v3"],
    ["x86_64", "amd64", ["v3"], "v3"],
    ["aarch64", "arm64", ["v9", "v8"], "v8"],
    ["arm", "arm", ["v5", "v6", "v7", "v8"], "v7"],
    ["arm", "arm", ["v5", "v6"], "v6"],
    ["riscv64", "riscv64", ["rva23", undefined], undefined],
  ])(
    "choosePlatform() takes for %s what every machine of it runs, of %s %j",
    (arch, architecture, variants, expected) => {
      const index = indexOf(entry("s390x"), ...variants.map((variant) => entry(architecture, variant)));
      expect(choosePlatform(index, arch, "test").platform?.variant).toBe(expected);
    },
  );

  test("choosePlatform() throws OCI_PLATFORM_MISSING and says what there is", () => {
    const error = (() => {
      try {
        return choosePlatform(indexOf(entry("arm64")), "x86_64", "test");
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({ code: "OCI_PLATFORM_MISSING", message: expect.stringContaining("linux/arm64") });
  });
});

describe("configs and labels", () => {
  test("decodeConfig() gives back what encodeConfig() wrote", () => {
    const config = sampleConfig("app/org.example.Hello/x86_64/stable", "amd64", Buffer.from("tar"));
    expect(decodeConfig(encodeConfig(config), "test")).toEqual(config);
  });

  test("decodeFlatpakLabels() gives back what encodeFlatpakLabels() wrote", () => {
    const values = fc.dictionary(fc.stringMatching(/^[a-z.-]{1,10}$/), fc.uint8Array({ maxLength: 40 }));
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(), values, (ref, metadata, size, commitMetadata) => {
        const labels: FlatpakLabels = {
          ref,
          metadata,
          installedSize: size,
          timestamp: size,
          parentCommit: "aa",
          commitMetadata: new Map(Object.entries(commitMetadata).map(([key, bytes]) => [key, Buffer.from(bytes)])),
          appstream: new Map([["org.freedesktop.appstream.appdata", "<component/>"]]),
        };
        expect(decodeFlatpakLabels(encodeFlatpakLabels(labels), "test")).toEqual(labels);
      }),
    );
  });

  test("decodeFlatpakLabels() gives undefined without a ref and IMAGE_UNSUITABLE for a bad number or base64", () => {
    expect(decodeFlatpakLabels(new Map([["org.flatpak.metadata", "x"]]), "test")).toBeUndefined();
    const bad = [
      ["org.flatpak.installed-size", "12x"],
      ["org.flatpak.timestamp", "-1"],
      ["org.flatpak.commit-metadata.k", "***"],
    ] as const;
    for (const [label, value] of bad) {
      const labels = new Map([
        ["org.flatpak.ref", "app/a.b.c/x86_64/stable"],
        [label, value],
      ]);
      expect(codeOf(() => decodeFlatpakLabels(labels, "test"))).toBe("IMAGE_UNSUITABLE");
    }
  });
});
