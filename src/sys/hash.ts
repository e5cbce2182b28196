// SPDX-License-Identifier: Apache-2.0
import type { Hash } from "node:crypto";

/**
 * A digest to be made of bytes. The engine's module for it is loaded only now: that takes milliseconds, which a program that
 * merely compares digests need not spend before it asks a registry.
 */
export function newHash(algorithm: "sha256" | "sha512"): Hash {
  return process.getBuiltinModule("node:crypto").createHash(algorithm);
}
