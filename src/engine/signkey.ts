// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileError } from "../base/errors.ts";
import { readPrivateKey } from "../oci/signatures/keys.ts";

/** Reads the key of a publisher; its passphrase comes by the environment, never on a command line. */
export function loadPrivateKey(path: string): KeyObject {
  let pem: Uint8Array;
  try {
    pem = readFileSync(path);
  } catch (error) {
    throw fileError(error, "read the key", path);
  }
  return readPrivateKey(pem, process.env["DOWEL_SIGN_PASSPHRASE"], path);
}
