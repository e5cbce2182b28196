// SPDX-License-Identifier: Apache-2.0
import type { Dictionary } from "../../formats/pod/types.ts";
import { write } from "../../formats/pod/write.ts";
import { headerBytes, inPlaceOf, type Message, valuesOf } from "./message.ts";

/**
 * What a client says anew of its node (`ClientNode.Update`), with the properties that are left; undefined where it
 * says none. The struct is what changed, the count of parameters, these, and what there is to know of the node: how
 * many inputs and outputs, what changed, flags, properties, parameters.
 */
export function clientNodeUpdate(message: Message, keep: (said: Dictionary) => Dictionary): Uint8Array | undefined {
  const { bytes } = message;
  const values = valuesOf(message);
  const start = message.at + headerBytes + 8;
  values.skip();
  values.skip(values.count());
  const before = bytes.subarray(start, values.offset);
  const info = values.optionalStruct();
  if (info === undefined) return undefined;
  const infoStart = info.offset;
  info.skip(4);
  const fixed = bytes.subarray(infoStart, info.offset);
  const said = info.dictionary();
  if (said.size === 0) return undefined;
  const rest = bytes.subarray(info.offset, info.end);
  return inPlaceOf(message, write.struct(before, write.struct(fixed, write.dictionary(keep(said)), rest)));
}
