// SPDX-License-Identifier: Apache-2.0
import { describe, expect, spyOn, test } from "bun:test";
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { DowelError, isDowelError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { readAnnotations } from "../../../src/formats/zstd-chunked/annotations.ts";
import { openTarSplit, openToc } from "../../../src/formats/zstd-chunked/open.ts";
import { readPieces, unpackPiece } from "../../../src/formats/zstd-chunked/pieces.ts";
import { planFetch } from "../../../src/formats/zstd-chunked/plan.ts";
import { rebuildTar } from "../../../src/formats/zstd-chunked/rebuild.ts";
import { parseTarSplit } from "../../../src/formats/zstd-chunked/tarsplit.ts";
import { file, gather, noise, openLayer, writeLayer } from "./support.ts";

const inputs = [
  file("a", "hello"),
  file("b", noise(150_000)),
  file("c", Buffer.concat([noise(99), new Uint8Array(2000)])),
];
const { blob, layer } = await writeLayer(inputs);
const { annotations } = layer;
const key = (name: string) => `io.github.containers.zstd-chunked.${name}`;
const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const positions = (annotations[key("manifest-position")] ?? "").split(":").map(Number);
const [tocOffset = 0, tocSize = 0, tocUnpacked = 0] = positions;

async function* whole(bytes: Uint8Array) {
  yield { offset: 0, bytes };
}

async function readAll(bytes: Uint8Array, said: Readonly<Record<string, string>>): Promise<void> {
  const { toc, tarSplit, payloadEnd } = openLayer(bytes, said);
  const plan = planFetch(toc, payloadEnd, { file: () => false, chunk: () => false });
  const contents = new Map<string, Buffer[]>();
  for await (const packed of readPieces(
    plan.ranges.flatMap((range) => range.pieces),
    whole(bytes),
  )) {
    const { path } = packed.piece.entry;
    contents.set(path, [...(contents.get(path) ?? []), await gather(unpackPiece(packed))]);
  }
  const hole = new Uint8Array(2000);
  await gather(rebuildTar(tarSplit(), (path) => [...(contents.get(path) ?? []), ...(path === "c" ? [hole] : [])]));
}

test("a layer that is as it was is read", async () => {
  await readAll(blob, annotations);
});

test("a blob with a byte changed is refused, or is not read there", async () => {
  const spare = new Set<number>();
  const { toc } = openLayer(blob, annotations);
  const plan = planFetch(toc, blob.length, { file: () => false, chunk: () => false }, { mergeGap: -1 });
  await fc.assert(
    fc.asyncProperty(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const changed = new Uint8Array(blob);
      changed[at] = (changed[at] ?? 0) ^ flip;
      const error = await readAll(changed, annotations).catch((reason: unknown) => reason);
      if (error !== undefined) expect(isDowelError(error)).toBe(true);
      else spare.add(at);
      const isChunk = plan.ranges.some(({ start, end }) => at >= start && at < end);
      if (isChunk || (at >= tocOffset && at < tocOffset + tocSize)) {
        // a changed frame header may be one of the same content
        if (error === undefined) expect(plan.ranges.some(({ start }) => at >= start + 4 && at < start + 14)).toBe(true);
      }
    }),
    { numRuns: 150 },
  );
});

test("a blob that is cut short is refused", async () => {
  for (const length of [0, 1, 100, tocOffset - 1, tocOffset + 10, blob.length - 73]) {
    const error = await readAll(blob.subarray(0, length), annotations).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DowelError);
  }
});

describe("readAnnotations()", () => {
  const said = (fields: Readonly<Record<string, string | undefined>>) => {
    const all = { ...annotations };
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) delete all[key(name)];
      else all[key(name)] = value;
    }
    return readAnnotations(all, blob.length);
  };

  test("knows a layer of the old dialect, and one that is not chunked", () => {
    const old = Object.fromEntries(
      Object.entries(annotations)
        .filter(([name]) => !name.includes("tarsplit"))
        .map(([name, value]) => [name.replace("io.github.", "io."), value]),
    );
    expect(readAnnotations(old, blob.length)).toMatchObject({ tocDigest: layer.tocDigest, tarSplit: undefined });
    expect(readAnnotations({}, 10)).toBeUndefined();
  });

  test.each<[string, Readonly<Record<string, string | undefined>>]>([
    ["a checksum that is none", { "manifest-checksum": "md5:1" }],
    ["no position", { "manifest-position": undefined }],
    ["a position of three numbers", { "manifest-position": "1:2:3" }],
    ["a negative position", { "manifest-position": "-1:2:3:1" }],
    ["another type of table", { "manifest-position": `${tocOffset}:${tocSize}:${tocUnpacked}:2` }],
    ["a table at the start", { "manifest-position": "4:2:3:1" }],
    ["a table past the end", { "manifest-position": `${blob.length - 1}:2:3:1` }],
    ["an empty table", { "manifest-position": "100:0:3:1" }],
    ["numbers past 53 bits", { "manifest-position": "9999999999999999:1:1:1" }],
    ["tar-split data in the table", { "tarsplit-position": `${tocOffset}:10:10` }],
    ["tar-split data past the end", { "tarsplit-position": `${blob.length}:10:10` }],
  ])("refuses %s", (_, fields) => {
    expect(() => said(fields)).toThrow(expect.objectContaining({ code: "ZSTD_CHUNKED_INVALID" }));
  });

  test("refuses a layer with a table of estargz too", () => {
    const both = { ...annotations, "containerd.io/snapshot/stargz/toc.digest": layer.tocDigest };
    expect(() => readAnnotations(both, blob.length)).toThrow(expect.objectContaining({ code: "ZSTD_CHUNKED_INVALID" }));
  });

  test("refuses a table that is too large", () => {
    expect(() => said({ "manifest-position": `${tocOffset}:${tocSize}:999999999999:1` })).toThrow(
      expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
    );
  });
});

describe("openToc()", () => {
  const places = readAnnotations(annotations, blob.length);
  const open = (packed: Uint8Array, unpackedSize: number) => {
    if (places === undefined) throw new Error("no places");
    return openToc(packed, { ...places, tocDigest: sha256(packed), toc: { ...places.toc, unpackedSize } });
  };

  test("refuses a bomb, and a table of another size than it should have", () => {
    const bomb = zstdCompressSync(new Uint8Array(50_000_000));
    for (const size of [1, 1000, 50_000_001]) {
      expect(() => open(bomb, size)).toThrow(expect.objectContaining({ code: "COMPRESSION_INVALID" }));
    }
  });

  test("takes little more memory for a table of the largest size than it has", () => {
    const size = limits.chunkedTableBytes;
    const table = zstdCompressSync(Buffer.alloc(size, " "));
    const taken = spyOn(Buffer, "allocUnsafeSlow");
    try {
      expect(() => open(table, size)).toThrow(expect.objectContaining({ code: "ZSTD_CHUNKED_INVALID" }));
      const bytes = taken.mock.calls.reduce((sum, [length]) => sum + length, 0);
      expect(bytes).toBeGreaterThanOrEqual(size);
      expect(bytes).toBeLessThan(1.1 * size);
    } finally {
      taken.mockRestore();
    }
  });

  test("refuses bytes that are not those that the manifest vouches for", () => {
    if (places === undefined) throw new Error("no places");
    expect(() => openToc(blob.subarray(0, 10), places)).toThrow(expect.objectContaining({ code: "DIGEST_MISMATCH" }));
  });

  test("refuses tar-split data that the table does not vouch for", async () => {
    if (places === undefined) throw new Error("no places");
    const { toc } = openLayer(blob, annotations);
    for (const tarSplitDigest of [undefined, layer.tocDigest]) {
      const read = openTarSplit(blob.subarray(0, 10), places, { ...toc, tarSplitDigest });
      await expect(read.next()).rejects.toBeInstanceOf(DowelError);
    }
  });
});

describe("unpackPiece()", () => {
  const { toc } = openLayer(blob, annotations);
  const [entry] = toc.entries;
  const [chunk] = entry?.chunks ?? [];
  const unpack = (packed: Uint8Array, fields: object = {}) => {
    if (entry === undefined || chunk === undefined) throw new Error("no chunk");
    return gather(unpackPiece({ piece: { entry, chunk: { ...chunk, ...fields } }, packed }));
  };

  test.each<[string, Uint8Array, object, string]>([
    ["a bomb", zstdCompressSync(new Uint8Array(30_000_000)), {}, "COMPRESSION_INVALID"],
    ["a large bomb", zstdCompressSync(new Uint8Array(60_000_000)), { size: 20_000_000 }, "LIMIT_EXCEEDED"],
    ["other content", zstdCompressSync(Buffer.from("howdy")), {}, "DIGEST_MISMATCH"],
    ["too little content", zstdCompressSync(Buffer.from("hell")), {}, "COMPRESSION_INVALID"],
    ["too little of much content", zstdCompressSync(new Uint8Array(100)), { size: 20_000_000 }, "COMPRESSION_INVALID"],
    ["an unfinished frame", zstdCompressSync(Buffer.from("hello")).subarray(0, 10), {}, "COMPRESSION_INVALID"],
    ["no frame", Buffer.from("hello"), {}, "COMPRESSION_INVALID"],
    ["nothing", new Uint8Array(0), {}, "COMPRESSION_INVALID"],
  ])("refuses %s", async (_, packed, fields, code) => {
    await expect(unpack(packed, fields)).rejects.toMatchObject({ code });
  });
});

describe("parseTarSplit()", () => {
  const parse = async (text: string) => {
    async function* stream() {
      yield Buffer.from(text);
    }
    const entries = [];
    for await (const item of parseTarSplit(stream())) entries.push(item);
    return entries;
  };

  test("reads names that are not UTF-8 text in JSON, empty bodies and a last line without an end", async () => {
    const text = `{"type":2,"payload":"AAE=","position":0}\n{"type":1,"name_raw":"w6Q=","size":3,"payload":"AAAAAAAAAAA=","position":1}\n{"type":1,"name":"e","payload":null,"position":2}`;
    expect(await parse(text)).toEqual([
      { kind: "bytes", bytes: Buffer.from([0, 1]) },
      { kind: "body", path: "ä", size: 3, crc: Buffer.alloc(8) },
      { kind: "body", path: "e", size: 0, crc: undefined },
    ]);
  });

  test.each([
    ["another order", `{"type":2,"payload":"","position":1}`, "ZSTD_CHUNKED_INVALID"],
    ["an unknown type", `{"type":3,"payload":"","position":0}`, "ZSTD_CHUNKED_INVALID"],
    ["a body without a checksum", `{"type":1,"name":"a","size":1,"payload":null,"position":0}`, "ZSTD_CHUNKED_INVALID"],
    ["a negative size", `{"type":1,"name":"a","size":-1,"payload":null,"position":0}`, "ZSTD_CHUNKED_INVALID"],
    ["bytes that are not base64", `{"type":2,"payload":"A%","position":0}`, "ZSTD_CHUNKED_INVALID"],
    ["a key twice", `{"type":2,"payload":"","payload":"AAAA","position":0}`, "ZSTD_CHUNKED_INVALID"],
    ["a name that is not UTF-8", `{"type":1,"name_raw":"/w==","payload":null,"position":0}`, "ZSTD_CHUNKED_INVALID"],
    ["a line that does not end", " ".repeat(5_000_000), "LIMIT_EXCEEDED"],
  ])("refuses %s", async (_, text, code) => {
    await expect(parse(text)).rejects.toMatchObject({ name: "DowelError", code });
  });
});
