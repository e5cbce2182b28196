// SPDX-License-Identifier: Apache-2.0
import { setImmediate as turn } from "node:timers/promises";
import { checkCancelled } from "../../base/errors.ts";
import { Thread } from "../../sys/workers.ts";
import type { Installation } from "../installation.ts";
import { visitObjects } from "../objects/list.ts";
import { type Share, type WrongObject, wrongOf } from "./share.ts";

/** What a thread reads before it asks for more: small enough to end together, large enough to be worth a message. */
const shareBytes = 8 * 1024 * 1024;
const shareObjects = 512;

export interface ContentsAudit {
  readonly objects: number;
  readonly bytes: number;
  readonly wrong: readonly WrongObject[];
}

/** What images need, each object once, in shares. */
function sharesOf(installation: Installation, commits: readonly string[]) {
  const seen = new Set<string>();
  const shares: Share[] = [];
  let digests: string[] = [];
  let total = 0;
  let used = 0;
  const folder = installation.objects;
  for (const commit of commits) {
    visitObjects(installation, commit, (digest, size) => {
      if (seen.has(digest)) return;
      seen.add(digest);
      total += size;
      used += size;
      digests.push(digest);
      if (used < shareBytes && digests.length < shareObjects) return;
      shares.push({ folder, digests });
      digests = [];
      used = 0;
    });
  }
  if (digests.length > 0) shares.push({ folder, digests });
  return { shares, objects: seen.size, bytes: total };
}

/** A thread that looks at one share at a time. */
class Helper implements Disposable {
  readonly #thread: Thread<Share, readonly WrongObject[]>;
  #answered: (wrong: readonly WrongObject[]) => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;
  #failure: Error | undefined;

  constructor() {
    this.#thread = new Thread("store/audit/reader.ts", undefined, {
      answered: (wrong: readonly WrongObject[]) => this.#answered(wrong),
      failed: (error) => {
        this.#failure = error;
        this.#failed(error);
      },
    });
  }

  /** Works through shares until there are none. */
  async workThrough(next: () => Share | undefined, wrong: WrongObject[]): Promise<void> {
    for (let share = next(); share !== undefined; share = next()) {
      if (this.#failure !== undefined) throw this.#failure;
      const answer = new Promise<readonly WrongObject[]>((resolve, reject) => {
        this.#answered = resolve;
        this.#failed = reject;
      });
      this.#thread.send(share, []);
      wrong.push(...(await answer));
    }
  }

  [Symbol.dispose](): void {
    this.#thread[Symbol.dispose]();
  }
}

/**
 * Reads every byte of all objects that images need, on two processors, and compares it with the objects' names. Changes
 * nothing and takes no lock. Throws `STORE_INVALID` where a list of objects is lost.
 */
export async function auditContents(
  installation: Installation,
  commits: readonly string[],
  signal?: AbortSignal,
): Promise<ContentsAudit> {
  const { shares, objects, bytes } = sharesOf(installation, commits);
  const wrong: WrongObject[] = [];
  const next = (): Share | undefined => {
    checkCancelled(signal);
    return shares.shift();
  };
  using helper = shares.length > 1 ? new Helper() : undefined;
  const helped = helper?.workThrough(next, wrong);
  // A failure of the other thread is looked at below, when this one has ended its share.
  helped?.catch(() => undefined);
  for (let share = next(); share !== undefined; share = next()) {
    wrong.push(...wrongOf(share));
    await turn();
  }
  await helped;
  return { objects, bytes, wrong };
}
