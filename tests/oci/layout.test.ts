// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { appendFile, mkdir, readdir, symlink, truncate, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openArchiveWriter } from "../../src/oci/archivewriter.ts";
import { copyImage } from "../../src/oci/copy.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { loadImage } from "../../src/oci/image.ts";
import { blobPath, openLayout, openLayoutArchive } from "../../src/oci/layout.ts";
import { openLayoutWriter } from "../../src/oci/layoutwriter.ts";
import { openImageSource } from "../../src/oci/open.ts";
import { parseImageReference } from "../../src/oci/reference.ts";
import { collect } from "../../src/oci/verify.ts";
import { addSample, chunksOf, noise, sampleLayout, scratchFolder } from "./sample.ts";

let scratch: Awaited<ReturnType<typeof scratchFolder>>;

beforeAll(async () => {
  scratch = await scratchFolder();
});

afterAll(async () => {
  await scratch[Symbol.asyncDispose]();
});

const at = (name: string): string => join(scratch.path, name);
const codeOf = (error: { code?: string }): string | undefined => error.code;

describe("openLayout()", () => {
  test("finds images by name, by digest, and the only one without a name", async () => {
    const sample = await sampleLayout(at("find"), { name: "one" });
    const layout = await openLayout(at("find"));
    for (const reference of ["one", sample.descriptor.digest, undefined]) {
      expect((await layout.resolve(reference)).descriptor.digest).toBe(sample.descriptor.digest);
    }
    await addSample(await openLayoutWriter(at("find")), { seed: "two", name: "two" });
    const error = await layout.resolve().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "REF_NOT_FOUND", message: expect.stringContaining("one, two") });
    expect(await layout.resolve("three").catch(codeOf)).toBe("REF_NOT_FOUND");
  });

  test("notices blobs that are changed, short, long, missing, or not regular files", async () => {
    const sample = await sampleLayout(at("damage"), { name: "v1" });
    const layout = await openLayout(at("damage"));
    const path = join(at("damage"), blobPath(sample.layer.digest));
    const read = () => collect(layout.openBlob(sample.layer), 1e9, "blob").then(() => "none", codeOf);
    expect(await read()).toBe("none");
    await appendFile(path, "x");
    expect(await read()).toBe("DIGEST_MISMATCH");
    await truncate(path, sample.layer.size - 1);
    expect(await read()).toBe("TRANSFER_INCOMPLETE");
    await appendFile(path, "!");
    expect(await read()).toBe("DIGEST_MISMATCH");
    await unlink(path);
    expect(await read()).toBe("OCI_LAYOUT_INVALID");
    await symlink("/dev/zero", path);
    expect(await read()).not.toBe("none");
    await unlink(path);
    execFileSync("mkfifo", [path]);
    expect(await read()).toBe("OCI_LAYOUT_INVALID");
  });

  test("refuses folders that are no layout or of another version", async () => {
    expect(await openLayout(at("nowhere")).catch(codeOf)).toBe("OCI_LAYOUT_INVALID");
    await mkdir(at("version"));
    await writeFile(at("version/oci-layout"), '{"imageLayoutVersion":"2.0.0"}');
    expect(await openLayout(at("version")).catch(codeOf)).toBe("OCI_LAYOUT_INVALID");
    expect(await openLayoutWriter(at("version")).catch(codeOf)).toBe("OCI_LAYOUT_INVALID");
  });
});

describe("openLayoutWriter()", () => {
  test("keeps all images when many writers name theirs at the same time", async () => {
    const names = Array.from({ length: 12 }, (_, at) => `n${at}`);
    await Promise.all(names.map((name) => sampleLayout(at("many"), { name, seed: name, layerBytes: 1000 })));
    const images = await (await openLayout(at("many"))).images();
    expect(images.map(({ annotations }) => annotations?.get("org.opencontainers.image.ref.name")).sort()).toEqual(
      names.sort(),
    );
  });

  test("putBlob() leaves nothing when the content is not what was promised", async () => {
    const writer = await openLayoutWriter(at("promise"));
    const wanted = { mediaType: "x", digest: digestOf(Buffer.from("a")), size: 1 };
    expect(await writer.putBlob(wanted, chunksOf(Buffer.from("b"))).catch(codeOf)).toBe("DIGEST_MISMATCH");
    expect(await readdir(at("promise/blobs/sha256"))).toEqual([]);
    const added = await writer.addBlob(chunksOf(Buffer.from("a")));
    expect(added).toEqual({ digest: wanted.digest, size: 1 });
    expect(await writer.hasBlob(wanted)).toBe(true);
  });
});

describe("archives", () => {
  test("openLayoutArchive() reads what openArchiveWriter() and tar wrote, without unpacking", async () => {
    const sample = await sampleLayout(at("source"), { name: "v1" });
    await using writer = await openArchiveWriter(at("own.tar"));
    await copyImage(await openLayout(at("source")), writer, { from: "v1", to: "v1" });
    await writer.finish();
    execFileSync("tar", ["-C", at("source"), "--format=pax", "-cf", at("tar.tar"), "."]);
    for (const name of ["own.tar", "tar.tar"]) {
      const { source, reference } = await openImageSource(parseImageReference(`oci-archive:${at(name)}:v1`));
      expect((await loadImage(source, reference, "x86_64")).descriptor.digest).toBe(sample.descriptor.digest);
      const part = await collect(source.openRange(sample.layer, { offset: 7, length: 100 }), 100, "part");
      expect(Buffer.compare(part, sample.layerBytes.subarray(7, 107))).toBe(0);
      await source[Symbol.asyncDispose]();
    }
    expect(execFileSync("tar", ["-tf", at("own.tar")]).toString()).toContain("index.json");
  });

  test("openArchiveWriter() leaves nothing when it is not finished", async () => {
    await mkdir(at("unfinished"));
    {
      await using writer = await openArchiveWriter(at("unfinished/x.tar"));
      await writer.putBlob({ mediaType: "x", digest: digestOf(Buffer.from("a")), size: 1 }, chunksOf(Buffer.from("a")));
    }
    expect(await readdir(at("unfinished"))).toEqual([]);
  });

  test("openLayoutArchive() throws an error with a code when the file is cut, damaged or something else", async () => {
    await sampleLayout(at("hostile"), { name: "v1" });
    execFileSync("tar", ["-C", at("hostile"), "-cf", at("cut.tar"), "."]);
    await truncate(at("cut.tar"), 30_000);
    expect(await openLayoutArchive(at("cut.tar")).catch(codeOf)).toBe("TRANSFER_INCOMPLETE");
    await writeFile(at("noise.tar"), noise(4096, "noise"));
    expect(await openLayoutArchive(at("noise.tar")).catch(codeOf)).toBe("TAR_INVALID");
    await writeFile(at("empty.tar"), Buffer.alloc(1024));
    expect(await openLayoutArchive(at("empty.tar")).catch(codeOf)).toBe("OCI_LAYOUT_INVALID");
    expect(await openLayoutArchive(at("absent.tar")).catch(codeOf)).toBe("IO");
    execFileSync("tar", ["-C", at("hostile"), "-cPf", at("climb.tar"), "--transform=s,^,../,", "index.json"]);
    expect(await openLayoutArchive(at("climb.tar")).catch(codeOf)).toBe("TAR_UNSAFE");
  });
});
