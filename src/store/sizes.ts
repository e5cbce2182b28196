// SPDX-License-Identifier: Apache-2.0
import type { Ref } from "../metadata/ref.ts";
import { deployedCommits, refsOf, tryRead } from "./deployments.ts";
import type { Installation } from "./installation.ts";
import { DigestTable } from "./objects/digests.ts";
import { visitObjects } from "./objects/list.ts";

/** What the contents of a ref cost, in bytes; files of at most 64 bytes, which lie in the image itself, count as nothing. */
export interface RefSize {
  /** All contents of all its versions that are deployed, each once. */
  readonly total: number;
  /** What no other ref of the installation needs: what removing it frees. */
  readonly unique: number;
}

/** Computes what refs really cost, from the lists of the images. A damaged list counts as nothing. */
export class Sizes {
  readonly #installation: Installation;
  readonly #all = new DigestTable();

  constructor(installation: Installation) {
    this.#installation = installation;
    for (const ref of refsOf(installation)) this.#all.addAll(this.#tableOf(ref));
  }

  of(ref: Ref): RefSize {
    const own = new DigestTable();
    const commits = deployedCommits(this.#installation, ref);
    let total = 0;
    let unique = 0;
    for (const [at, commit] of commits.entries()) {
      this.#visit(commit, (digest, size) => {
        // Only contents of earlier versions can be in the table, and those were counted.
        if (at > 0 && own.has(digest)) return;
        total += size;
        if (this.#all.count(digest) === 1) unique += size;
      });
      if (at < commits.length - 1) this.#visit(commit, (digest) => own.add(digest));
    }
    return { total, unique };
  }

  #tableOf(ref: Ref): DigestTable {
    const table = new DigestTable();
    for (const commit of deployedCommits(this.#installation, ref)) this.#visit(commit, (digest) => table.add(digest));
    table.dropDoubles();
    return table;
  }

  #visit(commit: string, visit: (digest: string, size: number) => void): void {
    tryRead(() => visitObjects(this.#installation, commit, visit));
  }
}
