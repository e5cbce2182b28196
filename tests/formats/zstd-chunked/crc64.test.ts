// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Crc64 } from "../../../src/formats/zstd-chunked/crc64.ts";

function byDefinition(bytes: Uint8Array): string {
  let sum = 0xffff_ffff_ffff_ffffn;
  for (const byte of bytes) {
    sum ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) sum = (sum >> 1n) ^ (sum & 1n ? 0xd800_0000_0000_0000n : 0n);
  }
  return (sum ^ 0xffff_ffff_ffff_ffffn).toString(16).padStart(16, "0");
}

test("Crc64 has the check value of CRC-64/GO-ISO", () => {
  const sum = new Crc64().update(Buffer.from("123456789")).digest();
  expect(Buffer.from(sum).toString("hex")).toBe("b90956c775a41001");
});

test("Crc64 gives the remainder of the definition however the bytes come", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), (parts) => {
      const crc = new Crc64();
      for (const part of parts) crc.update(part);
      expect(Buffer.from(crc.digest()).toString("hex")).toBe(byDefinition(Buffer.concat(parts)));
    }),
  );
});
