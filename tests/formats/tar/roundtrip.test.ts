// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { TarEntry, TarEntryType } from "../../../src/formats/tar/entry.ts";
import type { TarInput } from "../../../src/formats/tar/write.ts";
import { entry, file, readAll, writeAll } from "./support.ts";

const name = fc.oneof(
  fc.stringMatching(/^[a-zA-Z0-9._-]{1,60}$/),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }).filter((text) => !/[/\0]/.test(text)),
);
const path = fc.array(name, { minLength: 1, maxLength: 8 }).map((names) => names.join("/"));
const type = fc.constantFrom<TarEntryType>("file", "hardlink", "symlink", "directory", "character", "block", "fifo");
const id = fc.oneof(fc.nat(2_097_151), fc.nat(0xffffffff));
const time = fc.record({
  seconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  nanoseconds: fc.oneof(fc.constant(0), fc.nat(999_999_999)),
});
const xattrs = fc
  .array(fc.tuple(fc.stringMatching(/^user\.[a-z=%D3]{1,20}$/), fc.uint8Array({ maxLength: 200 })), { maxLength: 4 })
  .map((pairs) => new Map(pairs));

const input: fc.Arbitrary<TarInput> = fc
  .record({ path, type, mode: fc.nat(0o7777), uid: id, gid: id, mtime: time, linkName: path, xattrs })
  .chain((fields) =>
    fc.tuple(fc.uint8Array({ maxLength: 2000 }), fc.nat(0o7777777)).map(([bytes, device]): TarInput => {
      const isDevice = fields.type === "character" || fields.type === "block";
      const isLink = fields.type === "hardlink" || fields.type === "symlink";
      const body = fields.type === "file" ? bytes : new Uint8Array(0);
      const path = fields.type === "directory" ? `${fields.path}/` : fields.path;
      const result: TarEntry = {
        ...fields,
        path,
        size: body.length,
        linkName: isLink ? fields.linkName : "",
        devMajor: isDevice ? device : 0,
        devMinor: isDevice ? 3 : 0,
      };
      return { entry: result, body };
    }),
  );

describe("writeTar() and readTar()", () => {
  test("give back what was written, whatever the size of the chunks", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(input, { maxLength: 6 }), fc.integer({ min: 1, max: 5000 }), async (inputs, size) => {
        const archive = await writeAll(inputs);
        expect(archive.length % 512).toBe(0);
        const members = await readAll(archive, size);
        expect(members.map((member) => member.entry)).toEqual(inputs.map((item) => item.entry));
        for (const [index, member] of members.entries()) {
          expect(member.body.equals(inputs[index]?.body as Uint8Array)).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("keep every length of path around the limits of the header fields", async () => {
    const inputs: TarInput[] = [];
    for (const head of [0, 1, 50, 99, 100, 150, 154, 155, 156]) {
      for (const tail of [1, 50, 98, 99, 100, 101, 102, 200]) {
        inputs.push(file(head === 0 ? "b".repeat(tail) : `${"a".repeat(head)}/${"b".repeat(tail)}`, ""));
      }
    }
    const members = await readAll(await writeAll(inputs));
    expect(members.map((member) => member.entry.path)).toEqual(inputs.map((item) => item.entry.path));
  });

  test("stream a body larger than what comes as one array", async () => {
    const body = Buffer.alloc(3 * 1024 * 1024 + 17, "0123456789");
    const members = await readAll(await writeAll([file("big", body), file("after", "x")]), 100_000);
    expect(members[0]?.body.equals(body)).toBe(true);
    expect(members[1]?.body.toString()).toBe("x");
  });

  test("keep sizes that octal fields cannot hold", async () => {
    const { encodeHeader } = await import("../../../src/formats/tar/write.ts");
    const { readTar } = await import("../../../src/formats/tar/read.ts");
    const size = 9 * 1024 ** 3;
    const header = encodeHeader(entry({ path: "huge", size }));
    const members = readTar(
      (async function* () {
        yield header;
      })(),
    );
    const first = await members.next();
    expect(first.done === true ? undefined : first.value.size).toBe(size);
    await members.return();
  });
});
