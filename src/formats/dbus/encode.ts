// SPDX-License-Identifier: Apache-2.0
import { isObjectPath } from "./names.ts";
import { isSignature, splitSignature } from "./signature.ts";
import { alignments, type Variant } from "./types.ts";
import type { ValueWriter } from "./write.ts";

function wrong(type: string, value: unknown): TypeError {
  return new TypeError(`A value of the D-Bus type '${type}' cannot be made of ${typeof value} '${String(value)}'`);
}

const integers: Readonly<Record<string, { readonly bytes: number; readonly least: number; readonly most: number }>> = {
  y: { bytes: 1, least: 0, most: 0xff },
  n: { bytes: 2, least: -0x8000, most: 0x7fff },
  q: { bytes: 2, least: 0, most: 0xffff },
  i: { bytes: 4, least: -0x8000_0000, most: 0x7fff_ffff },
  u: { bytes: 4, least: 0, most: 0xffff_ffff },
};

function writeInteger(writer: ValueWriter, type: string, value: unknown): void {
  const { bytes, least, most } = integers[type] ?? { bytes: 0, least: 0, most: 0 };
  if (!Number.isInteger(value) || Number(value) < least || Number(value) > most) throw wrong(type, value);
  const number = Number(value);
  writer.number(bytes, (view, at, littleEndian) => {
    if (bytes === 1) view.setUint8(at, number);
    else if (bytes === 2) view.setUint16(at, number & 0xffff, littleEndian);
    else view.setUint32(at, number >>> 0, littleEndian);
  });
}

function writeLong(writer: ValueWriter, type: string, value: unknown): void {
  if (typeof value !== "bigint") throw wrong(type, value);
  writer.number(8, (view, at, littleEndian) => view.setBigUint64(at, BigInt.asUintN(64, value), littleEndian));
}

function writeText(writer: ValueWriter, type: string, value: unknown): void {
  if (typeof value !== "string" || value.includes("\0") || (type === "o" && !isObjectPath(value))) {
    throw wrong(type, value);
  }
  if (type === "g" && !isSignature(value)) throw wrong(type, value);
  if (type === "g") writer.signature(value);
  else writer.string(value);
}

/** Appends a descriptor and writes its place; the same one twice is sent once. */
function writeDescriptor(writer: ValueWriter, value: unknown, descriptors: number[]): void {
  if (!Number.isInteger(value) || Number(value) < 0) throw wrong("h", value);
  const known = descriptors.indexOf(Number(value));
  writer.uint32(known < 0 ? descriptors.push(Number(value)) - 1 : known);
}

function writeArray(writer: ValueWriter, type: string, value: unknown, descriptors: number[]): void {
  const element = type.slice(1);
  const unit = alignments[element.charAt(0)] ?? 1;
  if (type === "ay" && value instanceof Uint8Array) {
    writer.array(1, () => writer.bytes(value));
  } else if (element.startsWith("{")) {
    if (!(value instanceof Map)) throw wrong(type, value);
    const [key = "", entry = ""] = splitSignature(element.slice(1, -1));
    writer.array(unit, () => {
      for (const [name, one] of value) {
        writer.align(8);
        writeValue(writer, key, name, descriptors);
        writeValue(writer, entry, one, descriptors);
      }
    });
  } else {
    if (!Array.isArray(value)) throw wrong(type, value);
    writer.array(unit, () => {
      for (const one of value) writeValue(writer, element, one, descriptors);
    });
  }
}

function writeStruct(writer: ValueWriter, type: string, value: unknown, descriptors: number[]): void {
  const members = splitSignature(type.slice(1, -1));
  if (!Array.isArray(value) || value.length !== members.length) throw wrong(type, value);
  writer.align(8);
  members.forEach((member, index) => {
    writeValue(writer, member, value[index], descriptors);
  });
}

function writeVariant(writer: ValueWriter, value: unknown, descriptors: number[]): void {
  const { signature, value: inner } = value as Variant;
  if (typeof signature !== "string" || splitSignature(signature).length !== 1) throw wrong("v", value);
  writer.signature(signature);
  writeValue(writer, signature, inner, descriptors);
}

function writeValue(writer: ValueWriter, type: string, value: unknown, descriptors: number[]): void {
  switch (type.charAt(0)) {
    case "b":
      if (typeof value !== "boolean") throw wrong(type, value);
      writer.uint32(value ? 1 : 0);
      break;
    case "x":
    case "t":
      writeLong(writer, type, value);
      break;
    case "d":
      if (typeof value !== "number") throw wrong(type, value);
      writer.number(8, (view, at, littleEndian) => view.setFloat64(at, value, littleEndian));
      break;
    case "s":
    case "o":
    case "g":
      writeText(writer, type, value);
      break;
    case "h":
      writeDescriptor(writer, value, descriptors);
      break;
    case "v":
      writeVariant(writer, value, descriptors);
      break;
    case "a":
      writeArray(writer, type, value, descriptors);
      break;
    case "(":
      writeStruct(writer, type, value, descriptors);
      break;
    default:
      writeInteger(writer, type, value);
  }
}

/**
 * Writes the values of a body ("Marshaling" of the D-Bus specification); descriptors are appended to `descriptors` and
 * stay their owner's. Throws a `TypeError` where a value is not of its type.
 */
export function writeValues(
  writer: ValueWriter,
  signature: string,
  values: readonly unknown[],
  descriptors: number[],
): ValueWriter {
  const types = splitSignature(signature);
  if (types.length !== values.length) throw new TypeError(`'${signature}' needs ${types.length} values`);
  types.forEach((type, index) => {
    writeValue(writer, type, values[index], descriptors);
  });
  return writer;
}
