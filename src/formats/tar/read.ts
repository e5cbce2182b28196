// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { blockSize, type TarEntry, type TarEntryType } from "./entry.ts";
import { decodeName, isZero, parseHeader, type RawHeader, tarInvalid } from "./header.ts";
import { Member, skipPadding, type TarMember, wholeBodyBytes } from "./member.ts";
import { noPaxFields, type PaxFields, parsePax } from "./pax.ts";
import { ByteSource, cutShort } from "./source.ts";

/** What has been read ahead of the header that it belongs to. */
interface Pending {
  offset: number;
  pax?: PaxFields;
  longName?: string;
  longLink?: string;
}

const types: ReadonlyMap<string, TarEntryType> = new Map([
  ["0", "file"],
  ["\0", "file"],
  ["7", "file"],
  ["1", "hardlink"],
  ["2", "symlink"],
  ["3", "character"],
  ["4", "block"],
  ["5", "directory"],
  ["6", "fifo"],
]);

interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Larger bodies have `bytes` only where they lie in one chunk, so that nothing has to be copied; 1 MiB if not given. */
  readonly copiedBytes?: number;
}

/**
 * Reads a tar archive (v7, ustar, pax, GNU long names and numbers) as it comes. Bodies that are not read are passed
 * over. Where writers and readers are known to disagree about what an archive means, it is refused.
 * Throws TAR_INVALID with the offset, TAR_UNSAFE for a name that is not UTF-8, TRANSFER_INCOMPLETE where the stream
 * ends too early, LIMIT_EXCEEDED. Whether an entry may be unpacked is asked of policy.ts.
 */
export async function* readTar(
  stream: AsyncIterable<Uint8Array>,
  options: ReadOptions = {},
): AsyncGenerator<TarMember, void, undefined> {
  const source = new ByteSource(stream);
  const global = noPaxFields();
  let pending: Pending | undefined;
  let headers = 0;
  try {
    for (;;) {
      checkCancelled(options.signal);
      const offset = source.offset;
      const block = source.take(blockSize) ?? (await source.read(blockSize, "a header"));
      if (block === undefined || (block[0] === 0 && isZero(block))) {
        if (pending !== undefined) throw cutShort(offset, "a member: its header is missing");
        if (block !== undefined) await checkEnd(source);
        return;
      }
      if (++headers > limits.tarHeaders) throw tooMany(offset);
      const header = parseHeader(block, offset);
      if ("xgLK".includes(header.typeFlag)) {
        pending = await readExtension(source, header, global, pending);
        continue;
      }
      const entry = toEntry(header, pending, pending?.pax ?? global);
      const member = await startMember(source, entry, pending?.offset ?? header.offset, options.copiedBytes);
      pending = undefined;
      yield member;
      await member.finish();
    }
  } finally {
    await source.close();
  }
}

function tooMany(offset: number): DowelError {
  return new DowelError("LIMIT_EXCEEDED", `tar archive, offset ${offset}: more than ${limits.tarHeaders} headers`);
}

/** After the first block of zeros come another and any number of zeros, or the end. */
async function checkEnd(source: ByteSource): Promise<void> {
  for (;;) {
    const offset = source.offset;
    const bytes = await source.some(Number.MAX_SAFE_INTEGER);
    if (bytes === undefined) return;
    if (!isZero(bytes)) throw tarInvalid(offset, "there must be nothing but zeros after the end of the archive");
  }
}

/** Reads the body of an extended header and adds it to what is pending. */
async function readExtension(
  source: ByteSource,
  header: RawHeader,
  global: PaxFields,
  before: Pending | undefined,
): Promise<Pending | undefined> {
  const { offset, size, typeFlag } = header;
  if (size > limits.tarExtendedHeaderBytes) {
    const most = limits.tarExtendedHeaderBytes;
    throw new DowelError(
      "LIMIT_EXCEEDED",
      `tar archive, offset ${offset}: an extended header of ${size} bytes; at most ${most} are allowed`,
    );
  }
  const lent = source.take(size) ?? (await source.read(size, "an extended header"));
  if (lent === undefined) throw cutShort(offset, "an extended header");
  // The chunk that it is in may be used again once more is asked for, as for the padding.
  const bytes = new Uint8Array(lent);
  await skipPadding(source, size, "an extended header");
  if (typeFlag === "g") {
    if (before !== undefined) throw tarInvalid(offset, "a global header must not stand between a header and its entry");
    parsePax(bytes, offset, global);
    if (global.path !== undefined || global.linkPath !== undefined || global.size !== undefined) {
      throw tarInvalid(offset, "a global header must not set path, linkpath or size");
    }
    return undefined;
  }
  const pending = before ?? { offset };
  const field = typeFlag === "x" ? "pax" : typeFlag === "L" ? "longName" : "longLink";
  if (pending[field] !== undefined) throw tarInvalid(offset, `two extended headers of type ${typeFlag} for one entry`);
  if (field === "pax") {
    pending.pax = { ...global, xattrs: new Map(global.xattrs) };
    parsePax(bytes, offset, pending.pax);
  } else {
    const end = bytes.indexOf(0);
    pending[field] = decodeName(end < 0 ? bytes : bytes.subarray(0, end), offset, "a long name");
  }
  return pending;
}

async function startMember(
  source: ByteSource,
  entry: TarEntry,
  offset: number,
  copiedBytes = wholeBodyBytes,
): Promise<Member> {
  const taken = entry.size > wholeBodyBytes ? undefined : source.take(entry.size);
  if (taken === undefined && entry.size > copiedBytes) return new Member(source, entry, offset, undefined);
  const bytes = taken ?? (await source.read(entry.size, entry.path));
  if (bytes === undefined) throw cutShort(source.offset, entry.path);
  return new Member(source, entry, offset, bytes);
}

function toEntry(header: RawHeader, pending: Pending | undefined, pax: PaxFields): TarEntry {
  const { offset } = header;
  if (
    (pending?.longName !== undefined && pax.path !== undefined) ||
    (pending?.longLink !== undefined && pax.linkPath !== undefined)
  ) {
    throw tarInvalid(offset, "an entry must not have both a GNU and a pax name");
  }
  const path = pax.path ?? pending?.longName ?? header.name;
  const type = entryType(header, path);
  if (pax.sparse !== undefined) throw tarInvalid(offset, `${path}: sparse files (${pax.sparse}) are not supported`);
  const isLink = type === "hardlink" || type === "symlink";
  const entry: TarEntry = {
    path,
    type,
    mode: header.mode,
    uid: pax.uid ?? header.uid,
    gid: pax.gid ?? header.gid,
    size: pax.size ?? header.size,
    mtime: pax.mtime ?? { seconds: header.seconds, nanoseconds: 0 },
    linkName: isLink ? (pax.linkPath ?? pending?.longLink ?? header.linkName) : "",
    xattrs: new Map(pax.xattrs),
    devMajor: header.devMajor,
    devMinor: header.devMinor,
  };
  if (type !== "file" && entry.size !== 0) throw tarInvalid(offset, `${path}: a ${type} must have size 0`);
  if (entry.uid > 0xffffffff || entry.gid > 0xffffffff) throw tarInvalid(offset, `${path}: uid and gid have 32 bits`);
  for (const name of [entry.path, entry.linkName]) {
    if (Buffer.byteLength(name) > limits.pathBytes) {
      throw new DowelError("LIMIT_EXCEEDED", `tar archive, offset ${offset}: a name of over ${limits.pathBytes} bytes`);
    }
  }
  return entry;
}

function entryType(header: RawHeader, path: string): TarEntryType {
  if (header.typeFlag === "S") throw tarInvalid(header.offset, `${path}: sparse files are not supported`);
  const type = types.get(header.typeFlag);
  if (type === undefined) {
    throw tarInvalid(header.offset, `${path}: unknown entry type ${JSON.stringify(header.typeFlag)}`);
  }
  if (type !== "file" || !path.endsWith("/")) return type;
  // v7 had no type for directories; elsewhere readers disagree about what such an entry is
  if (header.typeFlag === "\0") return "directory";
  throw tarInvalid(header.offset, `${path}: the name of a file must not end with "/"`);
}
