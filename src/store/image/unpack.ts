// SPDX-License-Identifier: Apache-2.0
import type { TarEntry } from "../../formats/tar/entry.ts";
import type { TarMember } from "../../formats/tar/member.ts";
import { checkEntry } from "../../formats/tar/policy.ts";
import { readTar } from "../../formats/tar/read.ts";
import type { Intake, Ticket } from "../objects/intake.ts";
import type { LayerEntry } from "./layers.ts";
import type { FileContent } from "./tree.ts";

/** An entry whose content may still be on its way to the store. */
interface Unpacked {
  readonly path: string;
  readonly ticket: Ticket | undefined;
  readonly entry: LayerEntry;
}

/** Larger contents that lie in two chunks are taken in two parts: that costs less than to copy them. */
const copiedBytes = 64 * 1024;

/** Stands for content that is not there yet. */
const noContent: FileContent = { size: 0, digest: "", inline: undefined };

/**
 * Reads the tar stream of a layer, which is best in the intake's own memory: contents go to the intake, the entries come out in their canonical form when their
 * contents are staged. `see` is told the path and content of each file.
 */
export async function* unpackLayer(
  tar: AsyncIterable<Uint8Array>,
  intake: Intake,
  signal: AbortSignal | undefined,
  see?: (path: string, content: FileContent) => void,
): AsyncGenerator<LayerEntry, void, undefined> {
  const waiting: Unpacked[] = [];
  function* ready(): Generator<LayerEntry> {
    let done = 0;
    for (const { path, ticket, entry } of waiting) {
      if (ticket !== undefined && ticket.content === undefined) break;
      done += 1;
      if (ticket?.content === undefined || entry.kind !== "file") yield entry;
      else {
        see?.(path, ticket.content);
        yield { ...entry, content: ticket.content };
      }
    }
    waiting.splice(0, done);
  }
  try {
    for await (const member of readTar(tar, { signal, copiedBytes })) {
      const paths = checkEntry(member);
      const ticket = member.type === "file" ? await take(member, intake) : undefined;
      waiting.push({ path: member.path, ticket, entry: canonicalEntry(member, noContent, paths) });
      if (waiting.length % 64 === 0) yield* ready();
    }
  } catch (error) {
    // what came whole before is worth knowing of
    await intake.settle().catch(() => undefined);
    for (const _ of ready());
    throw error;
  }
  await intake.settle();
  yield* ready();
}

async function take(member: TarMember, intake: Intake): Promise<Ticket> {
  const { bytes } = member;
  const executable = isExecutable(member);
  return bytes === undefined ? intake.addStream(member.chunks(), executable) : intake.add(bytes, executable);
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
