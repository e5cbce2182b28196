// SPDX-License-Identifier: Apache-2.0
import { createReadStream } from "node:fs";
import { Decoder } from "../../base/decode.ts";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { decodeUtf8 } from "../../base/text.ts";
import { decompress } from "../../formats/compression/decompress.ts";
import type { TarMember } from "../../formats/tar/member.ts";
import { checkEntry } from "../../formats/tar/policy.ts";
import { readTar } from "../../formats/tar/read.ts";
import { archiveLayout } from "./archive-layout.ts";
import type { TreeEntry } from "./tree-read.ts";

/** What an archive says of itself, and its tree, which is read as it is asked for. */
export interface DataArchive {
  readonly id: string;
  readonly profile: string;
  /** The text of the overrides file that was exported with the data. */
  readonly overrides: string | undefined;
  readonly entries: AsyncIterable<TreeEntry>;
}

function invalid(file: string, text: string): DowelError {
  return new DowelError("DATA_ARCHIVE_INVALID", `${file}: ${text}`, {
    hint: "Expected what 'dowel profile export' or 'dowel data backup' wrote.",
  });
}

/** A small file of the archive as text. */
function textOf(file: string, member: TarMember): string {
  const text = member.type === "file" && member.bytes !== undefined ? decodeUtf8(member.bytes) : undefined;
  if (text !== undefined) return text;
  throw invalid(file, `${member.path} must be a file of UTF-8 text with at most 1 MiB`);
}

function readHead(file: string, member: TarMember | undefined): Pick<DataArchive, "id" | "profile"> {
  if (member?.path !== archiveLayout.head) throw invalid(file, `the first entry must be ${archiveLayout.head}`);
  const decoder = new Decoder("DATA_ARCHIVE_INVALID", `${file}: ${archiveLayout.head}`);
  const object = decoder.object(decoder.parse(textOf(file, member)), "");
  if (object["format"] !== archiveLayout.format) decoder.fail("format", JSON.stringify(archiveLayout.format));
  if (object["version"] !== archiveLayout.version) decoder.fail("version", `${archiveLayout.version}`);
  return { id: decoder.string(object["id"], "id"), profile: decoder.string(object["profile"], "profile") };
}

function toTreeEntry(file: string, member: TarMember): TreeEntry {
  const { names } = checkEntry(member);
  const [top, ...below] = names;
  if (top !== archiveLayout.data || below.length === 0) throw invalid(file, `${member.path} does not belong there`);
  if (member.type === "hardlink") throw invalid(file, `${member.path}: there must be no hard links`);
  const kind = member.type === "directory" ? "folder" : member.type === "symlink" ? "symlink" : "file";
  const { mode, mtime, size, linkName: target } = member;
  const path = below.join("/");
  return { path, kind, mode: mode & 0o777, mtime, size, target, content: member.chunks(), copyFrom: undefined };
}

async function* readRest(
  file: string,
  first: TarMember | undefined,
  members: AsyncGenerator<TarMember>,
): AsyncGenerator<TreeEntry> {
  if (first !== undefined) yield toTreeEntry(file, first);
  let count = 1;
  for await (const member of members) {
    count += 1;
    if (count > limits.dataArchiveEntries) {
      throw new DowelError("LIMIT_EXCEEDED", `${file}: more than ${limits.dataArchiveEntries} entries`);
    }
    yield toTreeEntry(file, member);
  }
}

async function* bytesOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) yield chunk;
  } catch (error) {
    throw errnoOf(error) === undefined ? error : fileError(error, "read", file);
  }
}

async function nextOf(members: AsyncGenerator<TarMember>): Promise<TarMember | undefined> {
  const { done, value } = await members.next();
  return done === true ? undefined : value;
}

/** Opens an archive of an app's data. Throws `DATA_ARCHIVE_INVALID`, and what unpacking throws. */
export async function openArchive(file: string, signal?: AbortSignal): Promise<DataArchive> {
  const options = { maxBytes: limits.dataArchiveBytes, signal };
  const members = readTar(decompress(bytesOf(file), "auto", options), { signal });
  const head = readHead(file, await nextOf(members));
  const second = await nextOf(members);
  const hasOverrides = second?.path === archiveLayout.overrides;
  const overrides = hasOverrides ? textOf(file, second) : undefined;
  return { ...head, overrides, entries: readRest(file, hasOverrides ? undefined : second, members) };
}
