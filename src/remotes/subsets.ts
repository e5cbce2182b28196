// SPDX-License-Identifier: Apache-2.0
const label = "org.flatpak.commit-metadata.xa.subsets";

/** Bytes of one framing offset of a GVariant container of a size (GVariant specification, 2.3.6). */
function offsetSize(size: number): number {
  if (size <= 0xff) return 1;
  if (size <= 0xffff) return 2;
  return size <= 0xffffffff ? 4 : 8;
}

function readOffset(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let byte = size - 1; byte >= 0; byte--) value = value * 256 + (bytes[at + byte] ?? 0);
  return value;
}

/** The texts of a serialized GVariant `as`; none where it is malformed. */
function readStrings(bytes: Uint8Array): readonly string[] {
  const size = offsetSize(bytes.length);
  const end = bytes.length < size ? 0 : readOffset(bytes, bytes.length - size, size);
  const count = (bytes.length - end) / size;
  if (end > bytes.length || !Number.isInteger(count)) return [];
  const result: string[] = [];
  for (let at = 0, start = 0; at < count; at++) {
    const stop = readOffset(bytes, end + at * size, size);
    if (stop <= start || stop > end || bytes[stop - 1] !== 0) return [];
    result.push(Buffer.from(bytes.subarray(start, stop - 1)).toString("utf8"));
    start = stop;
  }
  return result;
}

/** The subsets that an image is in, by the `xa.subsets` of its commit metadata: a variant of type `as`. */
export function subsetsOf(labels: ReadonlyMap<string, string>): readonly string[] {
  const bytes = Buffer.from(labels.get(label) ?? "", "base64");
  const type = bytes.subarray(-3).toString("latin1");
  return type === "\0as" ? readStrings(bytes.subarray(0, -3)) : [];
}
