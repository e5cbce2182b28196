// SPDX-License-Identifier: Apache-2.0
import type { Ref } from "../metadata/ref.ts";
import type { RemoteSettings } from "../remotes/settings.ts";
import type { Remote } from "../remotes/types.ts";
import type { NewRemote } from "./types.ts";

/** Origin remotes serve the updates of one ref and are looked at for nothing else. */
export const originSettings = { noEnumerate: true, noDeps: true, priority: 0 } as const satisfies RemoteSettings;

/**
 * The remote that a direct install notes as origin: one that has this URL already, or a new one, `NAME-origin`, where
 * NAME is the last part of the id, with a number where that is taken.
 */
export function originFor(ref: Ref, url: string, remotes: readonly Remote[]): NewRemote {
  const known = remotes.find((remote) => remote.url === url);
  if (known !== undefined) return { name: known.name, url };
  const last = ref.id.slice(ref.id.lastIndexOf(".") + 1).toLowerCase();
  const taken = new Set(remotes.map(({ name }) => name));
  for (let number = 0; ; number++) {
    const name = `${last}${number === 0 ? "" : number}-origin`.replace(/^-+/, "");
    if (!taken.has(name)) return { name, url };
  }
}
