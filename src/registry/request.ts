// SPDX-License-Identifier: Apache-2.0
import type { RegistryStore } from "./store.ts";

/** One request, with what serving it needs. */
export interface Context {
  readonly store: RegistryStore;
  readonly request: Request;
  readonly url: URL;
}

export function isHead({ request }: Context): boolean {
  return request.method === "HEAD";
}

/** The body of a request as a stream; empty where there is none. */
export async function* bodyOf({ request }: Context): AsyncGenerator<Uint8Array, void, undefined> {
  if (request.body !== null) yield* request.body;
}
