// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { isDowelError } from "../../src/base/errors.ts";
import { type ExtraFile, readExtraData } from "../../src/metadata/extradata.ts";
import { decodeExtraSources, encodeExtraSources, extraSourcesType } from "../../src/metadata/extravariant.ts";

const label = "org.flatpak.commit-metadata.xa.extra-data-sources";
const checksum = "ab".repeat(32);
const file = (name: string, more: Partial<ExtraFile> = {}): ExtraFile => ({
  name,
  uri: `https://vendor.example/${name}`,
  size: 70_000,
  installedSize: 90_000,
  checksum,
  ...more,
});

function variantOf(files: readonly ExtraFile[]): Buffer {
  return Buffer.concat([encodeExtraSources(files), Buffer.from(`\0${extraSourcesType}`)]);
}

/** What flatpak's own build tools put into the label of an image for these options of build-finish. */
function labelOfFlatpak(options: readonly string[]): { readonly label: Buffer; readonly metadata: string } {
  const folder = mkdtempSync(join(tmpdir(), "dowel-extra-"));
  const flatpak = (...words: string[]) =>
    execFileSync("flatpak", words, { cwd: folder, env: { PATH: process.env["PATH"], HOME: folder }, stdio: "pipe" });
  try {
    mkdirSync(join(folder, "app/files"), { recursive: true });
    writeFileSync(join(folder, "app/metadata"), "[Application]\nname=org.test.Extra\nruntime=org.test.P/x86_64/1\n");
    flatpak("build-finish", ...options, "app");
    flatpak("build-export", "--arch=x86_64", "--disable-sandbox", "repo", "app");
    flatpak("build-bundle", "--arch=x86_64", "--oci", "repo", "image", "org.test.Extra", "master");
    const blobs = join(folder, "image/blobs/sha256");
    for (const name of readdirSync(blobs)) {
      const bytes = readFileSync(join(blobs, name));
      if (bytes[0] !== 0x7b) continue;
      const text = JSON.parse(bytes.toString()).config?.Labels?.[label];
      const metadata = readFileSync(join(folder, "app/metadata"), "utf8");
      if (typeof text === "string") return { label: Buffer.from(text, "base64"), metadata };
    }
    throw new Error("no label");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("extra data in labels", () => {
  test("are written and read byte for byte as flatpak does", () => {
    for (const count of [1, 2, 7]) {
      const files = Array.from({ length: count }, (_, at) =>
        file(`part-${"x".repeat(at * 9)}`, { size: at + 1, installedSize: 2 ** 33 + at }),
      );
      const options = files.map(
        ({ name, uri, size, installedSize }) => `--extra-data=${name}:${checksum}:${size}:${installedSize}:${uri}`,
      );
      const made = labelOfFlatpak(options);
      expect(decodeExtraSources(made.label)).toEqual(files);
      expect(variantOf(files).toString("hex")).toBe(made.label.toString("hex"));
      expect(readExtraData(made.metadata, new Map())?.files).toEqual(files.map((one) => ({ ...one })));
    }
  });

  test("come back as they went, whatever their lengths", () => {
    const text = fc.string({ minLength: 1, maxLength: 300 }).filter((value) => !value.includes("\0"));
    const one = fc.record({
      name: text,
      uri: text,
      size: fc.nat(),
      installedSize: fc.nat(),
      checksum: fc.constant(checksum),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 40 }), (files) => {
        expect(decodeExtraSources(variantOf(files))).toEqual(files);
      }),
      { numRuns: 60 },
    );
  });

  test("never end in anything but files or a refusal, whatever bytes there are", () => {
    const good = variantOf([file("a"), file("b"), file("c")]);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(20), (at, value, cut) => {
        const bytes = Buffer.concat([good.subarray(0, good.length - 11 - cut), Buffer.from(`\0${extraSourcesType}`)]);
        if (at < bytes.length) bytes[at] = value;
        try {
          readExtraData("[Application]\n", new Map([[label, bytes.toString("base64")]]));
        } catch (error) {
          if (!isDowelError(error)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });

  test("count before those in the metadata", () => {
    const metadata = `[Extra Data]\nuri=https://other.example/x\nsize=1\nchecksum=${checksum}\nNoRuntime=true\n`;
    expect(readExtraData(metadata, new Map())).toEqual({
      files: [{ name: "x", uri: "https://other.example/x", size: 1, installedSize: 1, checksum }],
      noRuntime: true,
    });
    const labels = new Map([[label, variantOf([file("a")]).toString("base64")]]);
    expect(readExtraData(metadata, labels)?.files).toEqual([file("a")]);
    expect(readExtraData("[Application]\n", new Map())).toBeUndefined();
  });
});
