// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import type { Keyfile } from "../formats/keyfile/keyfile.ts";

/**
 * The keyring that `GPGKey` of a `.flatpakrepo` or `.flatpakref` file holds in base64; undefined where there is none.
 * Throws `SCHEMA`, `where` before the message.
 */
export function readGpgKey(keyfile: Keyfile, group: string, where: string): Uint8Array | undefined {
  const text = keyfile.get(group, "GPGKey");
  if (text === undefined || text === "") return undefined;
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return Buffer.from(text, "base64");
  throw new DowelError("SCHEMA", `${where}: GPGKey of [${group}] must be base64`);
}
