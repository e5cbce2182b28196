// SPDX-License-Identifier: Apache-2.0
import type { EventLoop } from "../../loop/loop.ts";
import type { Source } from "../portals/source.ts";

/** What an app may get of others, while it may. */
export interface Leave<S> {
  now(): Promise<ReadonlySet<S>>;
  /** Calls a function whenever that may be another than before. */
  changes(look: () => void): Disposable;
}

/** Where a change is told by nothing, as by a permission store that cannot write its files, it counts after this time. */
const lookMilliseconds = 1000;

/**
 * The leave that is decided for each thing by itself.
 *
 * @param changed tells that something may be decided in another way
 */
export function leaveFor<S>(
  loop: EventLoop,
  changed: Source,
  things: readonly S[],
  may: (thing: S) => Promise<boolean>,
): Leave<S> {
  return {
    async now() {
      const granted = new Set<S>();
      for (const thing of things) if (await may(thing)) granted.add(thing);
      return granted;
    },
    changes(look) {
      const ended = new AbortController();
      changed.listen(look, ended.signal);
      let timer: Disposable;
      const later = (): void => {
        timer = loop.after(lookMilliseconds, () => {
          look();
          later();
        });
      };
      later();
      return {
        [Symbol.dispose]: () => {
          ended.abort();
          timer[Symbol.dispose]();
        },
      };
    },
  };
}
