// SPDX-License-Identifier: Apache-2.0
import { createHash, hash } from "node:crypto";
import type { TarEntry } from "../../formats/tar/entry.ts";
import type { TarMember } from "../../formats/tar/member.ts";
import { checkEntry } from "../../formats/tar/policy.ts";
import { readTar } from "../../formats/tar/read.ts";
import type { ObjectStaging } from "../objects/staging.ts";
import type { LayerEntry } from "./layers.ts";
import type { FileContent } from "./tree.ts";

/** Is told the path and the sha256 digest (hex) of each content that is not empty. */
export type SeeContent = (path: string, sha256: string, content: FileContent) => void;

/**
 * Reads the tar stream of a layer: contents go to the staging, the entries come out in their canonical form.
 * Digests for `see` are computed only where it is given.
 */
export async function* unpackLayer(
  tar: AsyncIterable<Uint8Array>,
  staging: ObjectStaging,
  signal: AbortSignal | undefined,
  see?: SeeContent,
): AsyncGenerator<LayerEntry, void, undefined> {
  for await (const member of readTar(tar, { signal })) {
    const paths = checkEntry(member);
    const content = member.type === "file" ? await store(member, staging, see) : undefined;
    yield canonicalEntry(member, content, paths);
  }
}

async function store(member: TarMember, staging: ObjectStaging, see: SeeContent | undefined): Promise<FileContent> {
  const { bytes, path } = member;
  const executable = isExecutable(member);
  if (see === undefined || member.size === 0) {
    return bytes === undefined ? await staging.addStream(member.chunks(), executable) : staging.add(bytes, executable);
  }
  if (bytes !== undefined) {
    const content = staging.add(bytes, executable);
    see(path, hash("sha256", bytes, "hex"), content);
    return content;
  }
  const digest = createHash("sha256");
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of member.chunks()) {
      digest.update(chunk);
      yield chunk;
    }
  }
  const content = await staging.addStream(hashed(), executable);
  see(path, digest.digest("hex"), content);
  return content;
}

/**
 * The canonical form of an entry, with its content where it is a file: any execute bit makes a file executable; owners,
 * other bits, xattrs and fractions of seconds are dropped. Throws `TAR_UNSAFE`.
 */
export function canonicalEntry(
  entry: TarEntry,
  content: FileContent | undefined,
  { names: path, linkNames }: ReturnType<typeof checkEntry> = checkEntry(entry),
): LayerEntry {
  const mtime = entry.mtime.seconds;
  if (linkNames !== undefined) return { kind: "hardlink", path, target: linkNames };
  if (entry.type === "directory") return { kind: "folder", path, mtime };
  if (entry.type === "symlink") return { kind: "symlink", path, mtime, target: entry.linkName };
  if (content === undefined) throw new Error(`${entry.path} has no content`);
  return { kind: "file", path, mtime, executable: isExecutable(entry), content };
}

export function isExecutable({ mode }: TarEntry): boolean {
  return (mode & 0o111) !== 0;
}
