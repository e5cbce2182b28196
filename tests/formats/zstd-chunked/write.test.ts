// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { DowelError } from "../../../src/base/errors.ts";
import { decompress } from "../../../src/formats/compression/decompress.ts";
import { fsVerityDigest } from "../../../src/formats/fsverity/digest.ts";
import { type TarInput, writeTar } from "../../../src/formats/tar/write.ts";
import { checkTocAgainstTarSplit } from "../../../src/formats/zstd-chunked/crosscheck.ts";
import { readPieces, unpackPiece } from "../../../src/formats/zstd-chunked/pieces.ts";
import { type Piece, planFetch } from "../../../src/formats/zstd-chunked/plan.ts";
import { rebuildTar } from "../../../src/formats/zstd-chunked/rebuild.ts";
import { ChunkedWriter } from "../../../src/formats/zstd-chunked/write.ts";
import { entry, file, gather, inputsArbitrary, noise, openLayer, pieces, writeLayer } from "./support.ts";

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const nothing = { file: () => false, chunk: () => false };

async function* whole(blob: Uint8Array) {
  yield { offset: 0, bytes: blob };
}

/** The bodies of a layer by path, unpacked chunk by chunk from the places that the table names. */
async function bodiesOf(blob: Uint8Array, annotations: Readonly<Record<string, string>>): Promise<Map<string, Buffer>> {
  const { toc } = openLayer(blob, annotations);
  const all = toc.entries.flatMap((item) => item.chunks.map((chunk): Piece => ({ entry: item, chunk })));
  const parts = new Map<string, Uint8Array[]>();
  for await (const packed of readPieces(all, whole(blob))) {
    const { path } = packed.piece.entry;
    parts.set(path, [...(parts.get(path) ?? []), await gather(unpackPiece(packed))]);
  }
  return new Map([...parts].map(([path, list]) => [path, Buffer.concat(list)]));
}

test("ChunkedWriter writes a blob that unpacks to the archive, from its parts too", async () => {
  await fc.assert(
    fc.asyncProperty(inputsArbitrary, async (inputs) => {
      const { blob, layer } = await writeLayer(inputs);
      const tar = await gather(writeTar(inputs));
      expect(Buffer.compare(await gather(decompress(pieces(blob), "zstd")), tar)).toBe(0);
      expect(layer).toMatchObject({
        diffId: sha256(tar),
        tarSize: tar.length,
      });
      const { toc, tarSplit } = openLayer(blob, layer.annotations);
      expect(toc).toEqual(layer.toc);
      await checkTocAgainstTarSplit(toc, tarSplit());
      const bodies = await bodiesOf(blob, layer.annotations);
      const rebuilt = await gather(rebuildTar(tarSplit(), (path) => [bodies.get(path) ?? new Uint8Array(0)]));
      expect(Buffer.compare(rebuilt, tar)).toBe(0);
      for (const { path, digest } of toc.entries) {
        if (digest !== undefined) expect(sha256(bodies.get(path) ?? new Uint8Array(0))).toBe(digest);
      }
    }),
    { numRuns: 40 },
  );
});

describe("ChunkedWriter", () => {
  test("gives the same bytes however the bodies come, even where their memory is used again", async () => {
    const body = Buffer.concat([noise(300_000), new Uint8Array(5000), noise(200_000, 2)]);
    async function* reused(): AsyncGenerator<Uint8Array> {
      const memory = new Uint8Array(4096);
      for (let at = 0; at < body.length; at += 4096) {
        const part = body.subarray(at, at + 4096);
        memory.set(part);
        yield memory.subarray(0, part.length);
      }
    }
    const once = await writeLayer([file("a", body)]);
    const streamed: TarInput = { entry: entry("a", { size: body.length }), body: reused() };
    expect((await writeLayer([streamed])).layer).toEqual(once.layer);
  });

  test("cuts a hole that is longer than a chunk may be, and says that its parts are holes", async () => {
    const body = Buffer.concat([Buffer.from("a"), new Uint8Array(40_000_000), Buffer.from("b")]);
    const { blob, layer } = await writeLayer([file("sparse", body)]);
    const [sparse] = layer.toc.entries;
    expect(sparse?.chunks.map(({ size, hole }) => [size, hole])).toEqual([
      [1, false],
      [16_777_216, true],
      [16_777_216, true],
      [6_445_568, true],
      [1, false],
    ]);
    expect(sha256((await bodiesOf(blob, layer.annotations)).get("sparse") ?? body)).toBe(sha256(body));
    const plan = planFetch(layer.toc, blob.length, nothing);
    expect(plan.wanted[0]?.origins).toEqual(["fetched", "hole", "hole", "hole", "fetched"]);
  });

  test("puts nothing but one chunk into a frame, so that each can be fetched alone", async () => {
    const inputs = [file("a", "one"), file("b", noise(200_000)), { entry: entry("c", { type: "directory" }) }];
    const { blob, layer } = await writeLayer(inputs);
    for (const item of layer.toc.entries) {
      for (const { start, end, size } of item.chunks) {
        expect((await gather(decompress(pieces(blob.subarray(start, end)), "zstd"))).length).toBe(size);
      }
    }
  });

  test.each([
    ["a path that is there twice", [file("a/b", "1"), file("./a//b", "2")], "ZSTD_CHUNKED_INVALID"],
    ["a path with ..", [file("a/../b", "1")], "ZSTD_CHUNKED_INVALID"],
    ["a body that is too short", [file("a", "1", { size: 2 })], "IO"],
    ["a body that is too long", [file("a", "123", { size: 2 })], "IO"],
    [
      "a time past the year 9999",
      [file("a", "1", { mtime: { seconds: 1e12, nanoseconds: 0 } })],
      "ZSTD_CHUNKED_INVALID",
    ],
  ])("refuses %s", async (_, inputs, code) => {
    await expect(writeLayer(inputs)).rejects.toMatchObject({ code });
  });

  test("stops where the signal has fired", async () => {
    const writer = new ChunkedWriter({ signal: AbortSignal.abort() });
    await expect(gather(writer.write([file("a", "1")]))).rejects.toMatchObject({ code: "ABORTED" });
  });

  describe.each([
    ["in one thread", false],
    ["in several threads", true],
  ])("%s", (_, threaded) => {
    /** More than is on its way at once, bodies that end where a batch does, and holes longer than one. */
    const contents = [
      noise(1024 * 1024 - 1024, 3),
      Buffer.concat([noise(5_000_003, 4), new Uint8Array(3_000_000), noise(2_500_000, 5)]),
      new Uint8Array(20_000_000),
      ...Array.from({ length: 300 }, (_, at) => noise(at * 37, at)),
      noise(4_000_000, 6),
    ];
    const inputs = contents.flatMap((bytes, at) => [
      { entry: entry(`d${at}`, { type: "directory" }) },
      file(`f${at}`, bytes),
    ]);

    test("gives bytes that are the archive, and tells of each entry in order", async () => {
      const told: unknown[] = [];
      const writer = new ChunkedWriter({
        level: 1,
        threaded,
        onEntry: ({ path }, body) => told.push([path, body?.sha256, body?.verity]),
      });
      const blob = await gather(writer.write(inputs));
      const tar = await gather(writeTar(inputs));
      expect(Buffer.compare(await gather(decompress(pieces(blob, 1_000_000), "zstd")), tar)).toBe(0);
      expect([writer.layer.diffId, writer.layer.tarSize]).toEqual([sha256(tar), tar.length]);
      // one digest for both ways, and for other versions of Dowel: `push` sends nothing again of what is there
      expect(sha256(blob)).toBe("sha256:d7586f229d85b9aa2b477a9067b45d6633e662a0850b3c87c891fbf86d2df99a");
      expect(openLayer(blob, writer.layer.annotations).toc).toEqual(writer.layer.toc);
      const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
      expect(told).toEqual(
        contents.flatMap((bytes, at) => [
          [`d${at}`, undefined, undefined],
          bytes.length === 0
            ? [`f${at}`, undefined, undefined]
            : [`f${at}`, sha256(bytes).slice(7), hex(fsVerityDigest(bytes))],
        ]),
      );
    });

    test("fails with what a listener throws", async () => {
      const onEntry = ({ path }: { path: string }) => {
        if (path === "f1") throw new DowelError("TAR_UNSAFE", "not this one");
      };
      const writer = new ChunkedWriter({ threaded, onEntry });
      await expect(gather(writer.write(inputs))).rejects.toMatchObject({ code: "TAR_UNSAFE" });
    });

    test("fails where a later body is too short", async () => {
      const writer = new ChunkedWriter({ threaded });
      const short = [...inputs, file("short", "1", { size: 2 })];
      await expect(gather(writer.write(short))).rejects.toMatchObject({ code: "IO" });
    });

    test("ends where nobody takes the rest", async () => {
      const writer = new ChunkedWriter({ threaded });
      for await (const part of writer.write(inputs)) {
        expect(part.length).toBeGreaterThan(0);
        break;
      }
      expect(() => writer.layer).toThrow("not written yet");
    });
  });
});
