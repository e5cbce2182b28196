// SPDX-License-Identifier: Apache-2.0

import type { TarMember } from "../../formats/tar/member.ts";
import { checkEntry } from "../../formats/tar/policy.ts";
import { readTar } from "../../formats/tar/read.ts";
import type { ObjectStaging } from "../objects/staging.ts";
import type { LayerEntry } from "./layers.ts";

/**
 * Reads the tar stream of a layer: contents go to the staging, the entries come out in their canonical form: any
 * execute bit makes a file executable; owners, other bits, xattrs and fractions of seconds are dropped.
 */
export async function* unpackLayer(
  tar: AsyncIterable<Uint8Array>,
  staging: ObjectStaging,
  signal: AbortSignal | undefined,
): AsyncGenerator<LayerEntry, void, undefined> {
  for await (const member of readTar(tar, { signal })) yield await toEntry(member, staging);
}

async function toEntry(member: TarMember, staging: ObjectStaging): Promise<LayerEntry> {
  const { names: path, linkNames } = checkEntry(member);
  const mtime = member.mtime.seconds;
  if (linkNames !== undefined) return { kind: "hardlink", path, target: linkNames };
  if (member.type === "directory") return { kind: "folder", path, mtime };
  if (member.type === "symlink") return { kind: "symlink", path, mtime, target: member.linkName };
  const executable = (member.mode & 0o111) !== 0;
  const { bytes } = member;
  const content =
    bytes === undefined ? await staging.addStream(member.chunks(), executable) : staging.add(bytes, executable);
  return { kind: "file", path, mtime, executable, content };
}
