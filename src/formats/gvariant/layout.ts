// SPDX-License-Identifier: Apache-2.0
// How GVariant lays types out ("GVariant Specification", version 1.0), for the types that D-Bus has too.
import { splitSignature } from "../dbus/signature.ts";

export interface Layout {
  readonly alignment: 1 | 2 | 4 | 8;
  /** Bytes of every value; 0 where values differ in size. */
  readonly size: number;
  /** The types of a tuple's or an entry's members; else empty. */
  readonly members: readonly string[];
}

const numbers: Readonly<Record<string, 1 | 2 | 4 | 8>> = {
  y: 1,
  b: 1,
  n: 2,
  q: 2,
  i: 4,
  u: 4,
  h: 4,
  x: 8,
  t: 8,
  d: 8,
};

export function padded(at: number, alignment: number): number {
  return Math.ceil(at / alignment) * alignment;
}

function layoutOfMembers(members: readonly string[]): Layout {
  const layouts = members.map(layoutOf);
  const alignment = Math.max(...layouts.map((one) => one.alignment)) as Layout["alignment"];
  if (layouts.some(({ size }) => size === 0)) return { alignment, size: 0, members };
  const end = layouts.reduce((at, one) => padded(at, one.alignment) + one.size, 0);
  return { alignment, size: padded(end, alignment), members };
}

/** @param type one complete type of a D-Bus signature, or an entry of a dictionary */
export function layoutOf(type: string): Layout {
  const first = type.charAt(0);
  const number = numbers[first];
  if (number !== undefined) return { alignment: number, size: number, members: [] };
  if (first === "(" || first === "{") return layoutOfMembers(splitSignature(type.slice(1, -1)));
  if (first === "a") return { alignment: layoutOf(type.slice(1)).alignment, size: 0, members: [] };
  return { alignment: first === "v" ? 8 : 1, size: 0, members: [] };
}

/** Bytes of one framing offset in a container of this size. */
export function offsetBytes(size: number): 1 | 2 | 4 {
  if (size <= 0xff) return 1;
  return size <= 0xffff ? 2 : 4;
}
