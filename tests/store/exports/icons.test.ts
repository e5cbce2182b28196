// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { crc32, deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { iconProblem } from "../../../src/store/exports/icons.ts";

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

function png(width: number, height: number, more: readonly Buffer[] = []): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8);
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  const rows = deflateSync(Buffer.alloc((Math.min(width, 600) + 1) * Math.min(height, 600)));
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    ...more,
    chunk("IDAT", rows),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

const problem = (name: string, content: Uint8Array | string) =>
  iconProblem(name, typeof content === "string" ? Buffer.from(content) : content);

describe("iconProblem() of a PNG image", () => {
  test("takes square ones of at most 512 pixels", () => {
    for (const size of [1, 64, 512]) expect(problem("x.png", png(size, size))).toBeUndefined();
    expect(problem("x.png", png(64, 64, [chunk("tEXt", Buffer.from("Title\0Icon"))]))).toBeUndefined();
  });

  test.each([
    ["too large", png(513, 513), "larger than 512"],
    ["huge", png(0xffff_fff0, 0xffff_fff0), "larger than 512"],
    ["not square", png(64, 32), "not square"],
    ["empty", png(0, 0), "not square"],
    ["an ELF file", Buffer.from("\x7fELF".repeat(20), "latin1"), "not a PNG"],
    ["cut short", png(64, 64).subarray(0, -5), "ends too early"],
    [
      "without its size first",
      Buffer.concat([png(1, 1).subarray(0, 8), png(1, 1).subarray(33)]),
      "begin with its size",
    ],
    ["with a script behind it", Buffer.concat([png(64, 64), Buffer.from("#!/bin/sh\n")]), "something behind it"],
    ["damaged", png(64, 64).fill(7, 45, 47), "damaged"],
    ["nothing", Buffer.alloc(0), "not a PNG"],
  ])("refuses one that is %s", (_, bytes, text) => {
    expect(problem("x.png", bytes)).toContain(text);
  });
});

describe("iconProblem() of an SVG image", () => {
  const svg = (attributes: string, body = ""): string =>
    `<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" ${attributes}>${body}</svg>\n`;

  test.each([
    ["with a size", svg('width="64" height="64px"')],
    ["with a view box", svg('viewBox="0 0 128 128"', '<path d="M0 0"/><!-- <x> -->')],
    ["without a size", svg("")],
    ["with styles", svg("", "<style><![CDATA[ a > b {} ]]></style>")],
    ["with parts shown again", svg("", '<defs><g id="a"><rect/></g></defs><use href="#a"/><use xlink:href="#a"/>')],
    [
      "with a doctype and entities, as some programs write",
      `<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x" [ <!ENTITY ns "http://x/"> ]>${svg('xmlns:x="&ns;"').slice(22)}`,
    ],
  ])("takes one %s", (_, text) => {
    expect(problem("x.svg", text)).toBeUndefined();
    expect(problem("x.svgz", gzipSync(text))).toBeUndefined();
  });

  const laughs = Array.from({ length: 12 }, (_, at) => `<g id="g${at + 1}">${`<use href="#g${at}"/>`.repeat(10)}</g>`);
  test.each([
    ["that shows its parts without end", svg("", '<g id="a"><use href="#a"/></g><use href="#a"/>'), "too often"],
    [
      "that shows its parts a million million times",
      svg("", `<g id="g0"/>${laughs.join("")}<use href="#g12"/>`),
      "too often",
    ],
    [
      "with entities of entities",
      `<!DOCTYPE svg [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><svg/>`,
      "declarations that it must not have",
    ],
    [
      "with a file of the host as entity",
      '<!DOCTYPE svg [<!ENTITY a SYSTEM "/etc/passwd">]><svg>&a;</svg>',
      "declarations",
    ],
    [
      "that makes too much of its entities",
      `<!DOCTYPE svg [<!ENTITY a "${"x".repeat(50_000)}">]><svg>${"&a;".repeat(1000)}</svg>`,
      "too much of its entities",
    ],
    ["with a script", svg("", "<script>1</script>"), "script"],
    ["that is too large", svg('width="5000" height="5000"'), "larger than 4096"],
    ["that is not square", svg('viewBox="0 0 64 32"'), "not square"],
    ["that is a page", "<html><svg/></html>", "no svg at its top"],
    ["that nests too deep", svg("", "<g>".repeat(300) + "</g>".repeat(300)), "too many elements"],
    ["that is not closed", "<svg><g></svg>", "closes nothing"],
    ["that is empty", "", "ends too early"],
    ["that is binary", Buffer.from([0x3c, 0xff, 0xfe, 0]), "UTF-8"],
  ])("refuses one %s", (_, text, expected) => {
    expect(problem("x.svg", text)).toContain(expected);
  });

  test("refuses a compressed one that is a bomb, without unpacking it whole", () => {
    expect(problem("x.svgz", gzipSync(Buffer.alloc(64 * 1024 * 1024)))).toContain("unpacked");
    expect(problem("x.svgz", "<svg/>")).toContain("not gzip");
  });
});

test("iconProblem() of an ICO image looks whether its images are in it", () => {
  const ico = Buffer.alloc(40);
  ico.set([0, 0, 1, 0, 1, 0]);
  ico.writeUInt32LE(18, 14);
  ico.writeUInt32LE(22, 18);
  expect(problem("x.ico", ico)).toBeUndefined();
  ico.writeUInt32LE(23, 18);
  expect(problem("x.ico", ico)).toContain("ends too early");
  expect(problem("x.ico", ico.subarray(0, 12))).toContain("not an ICO");
});

test("iconProblem() answers for any bytes", () => {
  const names = fc.constantFrom("x.png", "x.svg", "x.svgz", "x.ico");
  const svgLike = fc.array(
    fc.constantFrom("<svg", ">", "<g id='a'", "/>", "</g>", "<use href='#a'", "<!DOCTYPE ", "[", "]>", "&a;", " "),
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    svgLike.map((parts) => Buffer.from(parts.join(""))),
  );
  fc.assert(
    fc.property(names, bytes, (name, content) => ["string", "undefined"].includes(typeof iconProblem(name, content))),
  );
});
