// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { closeSync, createReadStream, openSync, writeSync } from "node:fs";
import { DowelError } from "../../base/errors.ts";
import { checkEntry } from "../../formats/tar/policy.ts";
import { readTar } from "../../formats/tar/read.ts";
import type { Content, Tree } from "../tree/types.ts";

/** One file with the contents of many, each of them once. */
export class ContentPool implements Disposable {
  readonly path: string;
  readonly #fd: number;
  readonly #known = new Map<string, Content>();
  #size = 0;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, "wx");
  }

  add(bytes: Uint8Array): Content {
    const digest = createHash("sha256").update(bytes).digest("hex");
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const content: Content = { kind: "range", path: this.path, offset: this.#size, size: bytes.length };
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at, bytes.length - at, this.#size + at);
    this.#size += bytes.length;
    this.#known.set(digest, content);
    return content;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** Files larger than this do not come in a package of a runtime. */
const largestFile = 2 ** 31 - 1;

/** Reads an archive of a root folder into a tree, its contents into the pool. Devices and pipes are left out. */
export async function readRootArchive(
  path: string,
  pool: ContentPool,
  tree: Tree,
  signal?: AbortSignal,
): Promise<void> {
  for await (const member of readTar(createReadStream(path, { highWaterMark: 1024 * 1024 }), { signal })) {
    if (member.type === "character" || member.type === "block" || member.type === "fifo") continue;
    const { names, linkNames } = checkEntry(member);
    const name = names.join("/");
    if (name === "") continue;
    if (member.type === "directory") {
      tree.set(name, { kind: "directory" });
    } else if (member.type === "symlink") {
      tree.set(name, { kind: "symlink", target: member.linkName });
    } else if (member.type === "hardlink") {
      tree.set(name, { kind: "hardlink", to: linkNames?.join("/") ?? "" });
    } else {
      if (member.size > largestFile) throw new DowelError("RECIPE_FAILED", `${name}: larger than ${largestFile} bytes`);
      const parts: Uint8Array[] = [];
      for await (const chunk of member.chunks()) parts.push(Uint8Array.from(chunk));
      const bytes = Buffer.concat(parts);
      tree.set(name, { kind: "file", executable: (member.mode & 0o111) !== 0, content: pool.add(bytes) });
    }
  }
}
