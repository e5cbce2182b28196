// SPDX-License-Identifier: Apache-2.0
import { type Command, frameBytes, packetOf, propertyOf, textOf, tokensOf } from "./pulse.ts";

/** A command that names a sample: the types of all its values, and which of them is the name. */
interface Shape {
  readonly types: RegExp;
  readonly name: number;
}

const upload = 15;
const info = 33;
const shapes: ReadonlyMap<number, Shape> = new Map([
  [upload, { types: /^LLtamLP(tLx)*N$/, name: 2 }],
  [18, { types: /^LLL[tN]Lt(P(tLx)*N)?$/, name: 5 }],
  [19, { types: /^LLt$/, name: 2 }],
  [info, { types: /^LLLt$/, name: 3 }],
]);
/** The first version of the protocol whose servers read properties of what is uploaded. */
const withProperties = 13;
const noIndex = 0xffff_ffff;

/** By these PipeWire names what is uploaded, whatever the command itself says; of two that are the same the last counts. */
const nameKeys = ["event.id", "media.name"];

/**
 * What a command about a sample becomes, so that an app has samples of its own in a cache that is the server's: two dots
 * stand in no app's id, so no name is two apps' name. Undefined for what names no sample; `refused` for what could name
 * another's.
 *
 * @param version of the protocol, as the client's greeting has it
 */
export function ownSample(
  app: string,
  version: number,
  { number, numbers }: Command,
  packet: Uint8Array,
): Uint8Array | "refused" | undefined {
  const shape = shapes.get(number);
  if (shape === undefined) return undefined;
  const tokens = tokensOf(packet);
  const token = tokens[shape.name];
  if (token === undefined || !shape.types.test(tokens.map(({ tag }) => tag).join(""))) return "refused";
  if (number === upload && version < withProperties) return "refused";
  if (number === info && numbers[0] !== noIndex) return "refused";
  const name = Buffer.concat([Buffer.from(`${app}..`), packet.subarray(token.start, token.end - 1)]);
  const [before, behind] = [packet.subarray(frameBytes, token.start - 1), packet.subarray(token.end)];
  if (number !== upload) return packetOf(before, textOf(name), behind);
  const properties = nameKeys.map((key) => propertyOf(key, name));
  return packetOf(before, textOf(name), behind.subarray(0, -1), ...properties, behind.subarray(-1));
}
