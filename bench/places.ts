// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { execute } from "./measure.ts";

export const dowel = resolve("build/bin/dowel");
/** What takes long to make is kept here between runs. */
export const kept = resolve("build/bench");

export const runtimeId = "org.debian.Bench";
export const runtimeBranch = "12";

export interface Trees {
  /** OCI layout with the runtime as Dowel built it. */
  readonly layout: string;
  /** The same tree as a folder: `metadata` and `files/`. */
  readonly folder: string;
  /** OSTree repository with the same tree, for Flatpak. */
  readonly repository: string;
}

function once(done: string, make: () => void): void {
  if (existsSync(done)) return;
  make();
  writeFileSync(done, "");
}

/** The runtime of about 500 MB that the figures are about, as each peer wants it. */
export function prepareTrees(): Trees {
  mkdirSync(kept, { recursive: true });
  const layout = join(kept, "layout");
  const folder = join(kept, "tree");
  const repository = join(kept, "repository");
  once(join(kept, "layout.done"), () =>
    execute({
      words: [dowel, "build", "bench/runtime.yml", `--state-dir=${join(kept, "state")}`, `--output=oci:${layout}`],
    }),
  );
  once(join(kept, "tree.done"), () => {
    mkdirSync(folder, { recursive: true });
    execute({ words: ["umoci", "--version"] });
    execute({ words: [process.execPath, "bench/unpack.ts", layout, folder] });
  });
  once(join(kept, "repository.done"), () => {
    execute({ words: ["ostree", "init", `--repo=${repository}`, "--mode=archive-z2"] });
    execute({
      words: ["flatpak", "build-export", "--runtime", "--disable-sandbox", repository, folder, runtimeBranch],
    });
  });
  return { layout, folder, repository };
}
