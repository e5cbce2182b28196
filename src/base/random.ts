// SPDX-License-Identifier: Apache-2.0

/** Bytes that nobody can guess. By the engine's own means: the module `node:crypto` costs a service a MiB of memory. */
export function randomBytes(count: number): Buffer<ArrayBuffer> {
  return crypto.getRandomValues(Buffer.alloc(count));
}
