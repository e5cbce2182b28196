// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { readTar } from "../../../src/formats/tar/read.ts";
import { writeTar } from "../../../src/formats/tar/write.ts";
import { file, gather, noise } from "../zstd-chunked/support.ts";

/** The bytes in one buffer over and over, as a decoder lends it. */
async function* lent(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(size);
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    buffer.fill(255);
    buffer.set(part);
    yield buffer.subarray(0, part.length);
  }
}

test.each([512, 700, 1000, 1536, 4096, 10_000])(
  "readTar() reads names, attributes and bodies of chunks of %i bytes that share one memory",
  async (size) => {
    const inputs = Array.from({ length: 20 }, (_, at) =>
      file(`${"folder/".repeat(20)}${"n".repeat(1 + at * 5)}`, noise(at * 300, at + 1), {
        xattrs: new Map([["user.test", noise(50 + at, at)]]),
      }),
    );
    const archive = await gather(writeTar(inputs));
    const found: unknown[] = [];
    for await (const member of readTar(lent(archive, size))) {
      const parts: Uint8Array[] = [];
      for await (const part of member.chunks()) parts.push(new Uint8Array(part));
      found.push([member.path, member.xattrs, Buffer.concat(parts)]);
    }
    expect(found).toEqual(
      inputs.map(({ entry, body }) => [entry.path, entry.xattrs, Buffer.from(body instanceof Uint8Array ? body : [])]),
    );
  },
);
