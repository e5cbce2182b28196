// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { type BlobPart, type RangeAnswer, readRangeAnswer } from "../../../src/formats/zstd-chunked/answer.ts";
import { noise, pieces } from "./support.ts";

const blob = noise(5000);

function answer(fields: Partial<RangeAnswer> = {}): RangeAnswer {
  return { status: 206, contentType: "application/octet-stream", contentRange: undefined, ...fields };
}

function multipart(ranges: readonly (readonly [number, number])[], boundary: string, newline = "\r\n"): Buffer {
  const parts = ranges.flatMap(([start, end]) => [
    Buffer.from(
      `--${boundary}${newline}Content-Type: x/y${newline}content-RANGE: bytes ${start}-${end - 1}/5000${newline}${newline}`,
    ),
    blob.subarray(start, end),
    Buffer.from(newline),
  ]);
  return Buffer.concat([...parts, Buffer.from(`--${boundary}--${newline}`)]);
}

/** What came, joined where it touches. */
async function read(head: RangeAnswer, body: Uint8Array, size = 100): Promise<{ start: number; bytes: Buffer }[]> {
  const parts: { start: number; bytes: Buffer }[] = [];
  for await (const { offset, bytes } of readRangeAnswer(head, pieces(body, size), 5000)) {
    const last = parts.at(-1);
    if (last !== undefined && last.start + last.bytes.length === offset)
      last.bytes = Buffer.concat([last.bytes, bytes]);
    else parts.push({ start: offset, bytes: Buffer.from(bytes) });
  }
  return parts;
}

const parts = (ranges: readonly (readonly [number, number])[]) =>
  ranges.map(([start, end]) => ({ start, bytes: Buffer.from(blob.subarray(start, end)) }));

describe("readRangeAnswer()", () => {
  test("takes a whole blob, and one range", async () => {
    expect(await read(answer({ status: 200 }), blob)).toEqual(parts([[0, 5000]]));
    expect(await read(answer({ contentRange: "bytes 10-99/5000" }), blob.subarray(10, 100))).toEqual(
      parts([[10, 100]]),
    );
    expect(await read(answer({ contentRange: "bytes 10-99/*" }), blob.subarray(10, 100))).toEqual(parts([[10, 100]]));
  });

  test.each([
    ["multipart/byteranges; boundary=THIS", "THIS"],
    [`Multipart/Byteranges; boundary="a b:c"`, "a b:c"],
    ["multipart/byteranges; boundary=CloudFront:1234:abc=", "CloudFront:1234:abc="],
    ["multipart/byteranges; charset=x; boundary=a:b; other=c", "a:b"],
  ])("takes several ranges with %s", async (contentType, boundary) => {
    const ranges = [
      [0, 7],
      [100, 1900],
      [4999, 5000],
    ] as const;
    for (const newline of ["\r\n", "\n"]) {
      for (const before of ["", "\r\n", "a preamble\r\n"]) {
        const body = Buffer.concat([Buffer.from(before), multipart(ranges, boundary, newline)]);
        for (const size of [1, 3, 64, 10_000])
          expect(await read(answer({ contentType }), body, size)).toEqual(parts(ranges));
      }
    }
  });

  const multi = answer({ contentType: "multipart/byteranges; boundary=B" });
  const part = (range: string, body: string) => `--B\r\nContent-Range: ${range}\r\n\r\n${body}\r\n`;
  test.each([
    ["another status", answer({ status: 416 }), "", "REGISTRY_RESPONSE"],
    ["no Content-Range", answer(), "x", "REGISTRY_RESPONSE"],
    ["another total", answer({ contentRange: "bytes 0-0/4999" }), "x", "REGISTRY_RESPONSE"],
    ["a range past the end", answer({ contentRange: "bytes 0-5000/5000" }), "x", "REGISTRY_RESPONSE"],
    ["a range backwards", answer({ contentRange: "bytes 5-4/5000" }), "x", "REGISTRY_RESPONSE"],
    ["bytes after the range", answer({ contentRange: "bytes 0-0/5000" }), "xy", "REGISTRY_RESPONSE"],
    ["too few bytes of the range", answer({ contentRange: "bytes 0-9/5000" }), "x", "TRANSFER_INCOMPLETE"],
    ["too few bytes of the blob", answer({ status: 200 }), "x", "TRANSFER_INCOMPLETE"],
    ["no boundary", answer({ contentType: "multipart/byteranges; x=y" }), "--\r\n", "REGISTRY_RESPONSE"],
    ["no parts", multi, "--B--\r\n", "REGISTRY_RESPONSE"],
    ["a part without a range", multi, "--B\r\nA: b\r\n\r\nx\r\n--B--", "REGISTRY_RESPONSE"],
    [
      "a part with two ranges",
      multi,
      part("bytes 0-0/5000\r\nContent-Range: bytes 1-1/5000", "x"),
      "REGISTRY_RESPONSE",
    ],
    [
      "parts that overlap",
      multi,
      `${part("bytes 0-1/5000", "xy")}${part("bytes 1-1/5000", "y")}--B--`,
      "REGISTRY_RESPONSE",
    ],
    [
      "parts in another order",
      multi,
      `${part("bytes 5-5/5000", "x")}${part("bytes 1-1/5000", "y")}--B--`,
      "REGISTRY_RESPONSE",
    ],
    ["a part that is too long", multi, `${part("bytes 0-0/5000", "xy")}--B--`, "REGISTRY_RESPONSE"],
    ["no last boundary", multi, part("bytes 0-0/5000", "x"), "TRANSFER_INCOMPLETE"],
    ["an end inside a part", multi, "--B\r\nContent-Range: bytes 0-9/5000\r\n\r\nx", "TRANSFER_INCOMPLETE"],
    ["a header without an end", multi, `--B\r\nA: ${"b".repeat(10_000)}`, "LIMIT_EXCEEDED"],
  ] as const)("refuses %s", async (_, head, body, code) => {
    await expect(read(head, Buffer.from(body))).rejects.toMatchObject({ code });
  });

  test("ends with an error of its own or the right bytes whatever is changed", async () => {
    const body = multipart(
      [
        [0, 50],
        [100, 190],
      ],
      "B",
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(body.length - 1), fc.nat(255), fc.nat(body.length), async (at, value, length) => {
        const changed = Buffer.from(body).subarray(0, length);
        changed[at] = value;
        const seen: BlobPart[] = [];
        try {
          for await (const each of readRangeAnswer(multi, pieces(changed, 17), 5000)) seen.push(each);
        } catch (error) {
          expect(isDowelError(error)).toBe(true);
        }
        for (const { offset, bytes } of seen) expect(offset + bytes.length).toBeLessThanOrEqual(5000);
      }),
    );
  });
});
