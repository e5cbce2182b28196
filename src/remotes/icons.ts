// SPDX-License-Identifier: Apache-2.0
import { limits } from "../base/limits.ts";

const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Whether bytes can be an icon for software centres: a PNG file that is not too large. */
export function isIcon(bytes: Uint8Array): boolean {
  return bytes.byteLength <= limits.iconBytes && pngSignature.equals(bytes.subarray(0, pngSignature.length));
}

/** The icon in a label: `data:image/png;base64,…`. Undefined for anything else. */
export function decodeIcon(label: string): Uint8Array | undefined {
  const text = /^data:image\/png;base64,([A-Za-z0-9+/]+={0,2})$/.exec(label)?.[1];
  if (text === undefined || text.length > limits.iconBytes * 2) return undefined;
  const bytes = Buffer.from(text, "base64");
  return isIcon(bytes) ? bytes : undefined;
}
