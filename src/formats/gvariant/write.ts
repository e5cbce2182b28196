// SPDX-License-Identifier: Apache-2.0
import type { Variant } from "../dbus/types.ts";
import { layoutOf, offsetBytes, padded } from "./layout.ts";

const nul = Buffer.alloc(1);

/** Parts one behind the other, each aligned; and where each of them ends. */
function join(parts: readonly (readonly [bytes: Uint8Array, alignment: number])[]): { bytes: Buffer; ends: number[] } {
  const pieces: Uint8Array[] = [];
  const ends: number[] = [];
  let at = 0;
  for (const [bytes, alignment] of parts) {
    const from = padded(at, alignment);
    pieces.push(Buffer.alloc(from - at), bytes);
    at = from + bytes.length;
    ends.push(at);
  }
  return { bytes: Buffer.concat(pieces), ends };
}

/** Framing offsets are as wide as the size of the whole, themselves included, needs. */
function withOffsets(body: Buffer, offsets: readonly number[]): Buffer {
  const fits = ([1, 2, 4] as const).find((width) => offsetBytes(body.length + width * offsets.length) <= width) ?? 4;
  const frames = Buffer.alloc(fits * offsets.length);
  for (const [index, offset] of offsets.entries()) frames.writeUIntLE(offset, index * fits, fits);
  return Buffer.concat([body, frames]);
}

function writeMembers(type: string, values: readonly unknown[]): Buffer {
  const { members, size } = layoutOf(type);
  const layouts = members.map(layoutOf);
  const { bytes, ends } = join(
    members.map((member, index) => [writeTyped(member, values[index]), layouts[index]?.alignment ?? 1]),
  );
  if (size > 0) return Buffer.concat([bytes, Buffer.alloc(size - bytes.length)]);
  const framed = ends.filter((_, index) => index < members.length - 1 && layouts[index]?.size === 0);
  return withOffsets(bytes, framed.reverse());
}

function writeArray(element: string, value: unknown): Buffer {
  if (element === "y") return Buffer.from(value as Uint8Array);
  const { alignment, size } = layoutOf(element);
  const parts = element.startsWith("{")
    ? [...(value as ReadonlyMap<unknown, unknown>)].map((entry) => writeMembers(element, entry))
    : (value as readonly unknown[]).map((one) => writeTyped(element, one));
  const { bytes, ends } = join(parts.map((part) => [part, alignment]));
  return size > 0 ? bytes : withOffsets(bytes, ends);
}

function writeNumber(type: string, value: unknown): Buffer {
  const bytes = Buffer.alloc(layoutOf(type).size);
  if (type === "y" || type === "b") bytes.writeUInt8(Number(value));
  else if (type === "n") bytes.writeInt16LE(Number(value));
  else if (type === "q") bytes.writeUInt16LE(Number(value));
  else if (type === "u") bytes.writeUInt32LE(Number(value));
  else if (type === "x") bytes.writeBigInt64LE(value as bigint);
  else if (type === "t") bytes.writeBigUInt64LE(value as bigint);
  else if (type === "d") bytes.writeDoubleLE(Number(value));
  else bytes.writeInt32LE(Number(value));
  return bytes;
}

function writeTyped(type: string, value: unknown): Buffer {
  const first = type.charAt(0);
  if (first === "a") return writeArray(type.slice(1), value);
  if (first === "(") return writeMembers(type, value as readonly unknown[]);
  if (first === "v") return writeVariant(value as Variant);
  if (first === "s" || first === "o" || first === "g") return Buffer.concat([Buffer.from(String(value)), nul]);
  return writeNumber(type, value);
}

/** Serialises a variant in normal form, little endian. A value that is not of its type throws a `TypeError` or `RangeError`. */
export function writeVariant({ signature, value }: Variant): Buffer {
  return Buffer.concat([writeTyped(signature, value), nul, Buffer.from(signature)]);
}
