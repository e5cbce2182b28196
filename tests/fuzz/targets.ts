// SPDX-License-Identifier: Apache-2.0
// Every codec that reads what others wrote, as one function of bytes. Errors other than Dowel's own are defects.
import { parseDump } from "../../src/formats/composefs/dump-parse.ts";
import { readComposefs } from "../../src/formats/composefs/read.ts";
import { decompress } from "../../src/formats/compression/decompress.ts";
import { parseBusAddress } from "../../src/formats/dbus/address.ts";
import { BodyReader } from "../../src/formats/dbus/body.ts";
import { fixedBytes, MessageHeader } from "../../src/formats/dbus/header.ts";
import { parseMatchRule } from "../../src/formats/dbus/matchrule.ts";
import { SaslServer } from "../../src/formats/dbus/sasl.ts";
import { parseJson } from "../../src/formats/document/json.ts";
import { SourceText } from "../../src/formats/document/node.ts";
import { parseYaml } from "../../src/formats/document/yaml.ts";
import { readVariant } from "../../src/formats/gvariant/read.ts";
import { readGvdb } from "../../src/formats/gvdb/read.ts";
import { parseKeyfile } from "../../src/formats/keyfile/parse.ts";
import { readTar } from "../../src/formats/tar/read.ts";
import { parseXml } from "../../src/formats/xml/parse.ts";
import { readAnnotations } from "../../src/formats/zstd-chunked/annotations.ts";
import { readRangeAnswer } from "../../src/formats/zstd-chunked/answer.ts";
import { readEntryDeltas } from "../../src/formats/zstd-chunked/entry-delta.ts";
import { openFileFrame, parseFileDelta } from "../../src/formats/zstd-chunked/file-delta.ts";
import { parseTarSplit } from "../../src/formats/zstd-chunked/tarsplit.ts";
import { parseToc } from "../../src/formats/zstd-chunked/toc-parse.ts";
import { parseMetadata } from "../../src/metadata/metadata.ts";
import { readTable } from "../../src/metadata/permissiontable.ts";
import { parsePartialRef } from "../../src/metadata/ref.ts";
import { decodeConfig } from "../../src/oci/config.ts";
import { decodeDocument } from "../../src/oci/manifest.ts";
import { mediaTypes } from "../../src/oci/mediatypes.ts";
import { parseImageReference } from "../../src/oci/reference.ts";
import { decodeClaim } from "../../src/oci/signatures/claim.ts";
import { decodePolicy } from "../../src/oci/signatures/policy.ts";
import { parseRefFile } from "../../src/remotes/reffile.ts";
import { parseRepoFile } from "../../src/remotes/repofile.ts";
import { parseStaticIndex } from "../../src/remotes/staticindex.ts";
import { PipewireFilter } from "../../src/session/pipewire/filter.ts";
import type { Message } from "../../src/session/pipewire/message.ts";
import { PipewireStream, type Verdict } from "../../src/session/pipewire/stream.ts";
import { soundView } from "../../src/session/pipewire/view.ts";
import { FixedBuffer } from "../../src/sys/transfer.ts";

export type Target = (bytes: Uint8Array) => unknown;

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

/** In pieces of uneven sizes, as a network brings them. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  let size = 1 + (bytes.length % 7);
  for (let at = 0; at < bytes.length; at += size, size = 1 + ((size * 31) % 997)) yield bytes.subarray(at, at + size);
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

async function readMembers(bytes: Uint8Array): Promise<void> {
  for await (const member of readTar(pieces(bytes))) await drain(member.chunks());
}

function readMessage(bytes: Uint8Array): void {
  if (bytes.length < fixedBytes) return;
  const header = new MessageHeader();
  header.measure(bytes, 0);
  if (header.headerLength > bytes.length) return;
  header.read(bytes, 0);
  if (header.length > bytes.length) return;
  const body = new BodyReader(bytes, 0, header);
  if (header.signature === "s") body.string();
  else if (header.signature === "as") body.strings();
  body.end();
}

function readPlaces(bytes: Uint8Array): void {
  const lines = text(bytes).split("\n");
  readAnnotations(Object.fromEntries(lines.map((line) => line.split("=", 2) as [string, string])), 1 << 20);
}

const earlier = Buffer.from("what an earlier version had, again and again ".repeat(50));

function applyPatches(bytes: Uint8Array): void {
  for (const frame of parseFileDelta(bytes)) openFileFrame(frame, frame.from === undefined ? undefined : earlier);
}

/** The lines of a delta of entries, after one of ten entries; packed, as nothing but that would be damaged otherwise. */
function readEntries(bytes: Uint8Array): void {
  const deltas = [Buffer.from("entry-delta 1\n=0 10\n"), bytes].map((lines) =>
    Bun.zstdCompressSync(lines, { level: 1 }),
  );
  readEntryDeltas(deltas, 1 << 20);
  readEntryDeltas([...deltas].reverse(), 1 << 20);
}

function readAnswer(bytes: Uint8Array): Promise<void> {
  const line = Math.max(bytes.indexOf(10), 0);
  const [status, contentType, contentRange] = text(bytes.subarray(0, line)).split("|");
  const answer = { status: Number(status), contentType, contentRange };
  return drain(readRangeAnswer(answer, pieces(bytes.subarray(line + 1)), 1000));
}

/** What a client says, each message judged as one of PipeWire's, too. */
function talkToPipewire(bytes: Uint8Array): void {
  const filter = new PipewireFilter(soundView, () => undefined);
  const facts = { granted: new Set(["microphone"] as const), sinks: new Set(["speaker"]), heard: [] };
  const judge = (message: Message): Verdict => {
    const verdict = filter.fromClient(message);
    filter.learn(verdict === "wait" ? "client" : "server", facts);
    if (verdict !== "wait") filter.fromServer(message);
    return verdict === "wait" ? filter.fromClient(message) : verdict;
  };
  using stream = new PipewireStream(judge, { send: () => undefined, sendCopy: () => undefined });
  const buffer = new FixedBuffer(Math.max(bytes.length, 1));
  buffer.bytes.set(bytes);
  stream.consume(buffer, 0, bytes.length);
}

export const targets: Readonly<Record<string, Target>> = {
  composefs: readComposefs,
  "composefs-dump": parseDump,
  tar: readMembers,
  decompress: (bytes) => drain(decompress(pieces(bytes), "auto", { maxBytes: 1 << 24 })),
  toc: (bytes) => parseToc(bytes, 1 << 20),
  tarsplit: (bytes) => drain(parseTarSplit(pieces(bytes))),
  "chunked-places": readPlaces,
  "file-delta": applyPatches,
  "entry-delta": readEntries,
  ranges: readAnswer,
  keyfile: (bytes) => parseKeyfile(bytes, "file").toString(),
  metadata: (bytes) => parseMetadata(text(bytes)),
  ref: (bytes) => parsePartialRef(text(bytes)),
  json: (bytes) => parseJson(new SourceText("file", text(bytes))),
  yaml: (bytes) => parseYaml(new SourceText("file", text(bytes))),
  xml: (bytes) => parseXml(text(bytes), "file"),
  "dbus-message": readMessage,
  "dbus-rule": (bytes) => parseMatchRule(text(bytes)),
  "dbus-address": (bytes) => parseBusAddress(text(bytes)),
  "dbus-sasl": (bytes) => new SaslServer(1000, "0".repeat(32)).feed(bytes, 0, bytes.length),
  pipewire: talkToPipewire,
  gvariant: (bytes) => readVariant(bytes),
  gvdb: (bytes) => readGvdb(bytes),
  "permission-table": (bytes) => readTable(bytes),
  "oci-manifest": (bytes) => decodeDocument(bytes, mediaTypes.ociManifest, "document"),
  "oci-index": (bytes) => decodeDocument(bytes, mediaTypes.ociIndex, "document"),
  "oci-config": (bytes) => decodeConfig(bytes, "document"),
  "image-reference": (bytes) => parseImageReference(text(bytes)),
  "static-index": (bytes) => parseStaticIndex(text(bytes), "document"),
  repofile: (bytes) => parseRepoFile(bytes, "file"),
  reffile: (bytes) => parseRefFile(bytes, "file", "x86_64"),
  policy: (bytes) => decodePolicy(bytes, "file"),
  claim: (bytes) => decodeClaim(bytes, "atomic container signature", "payload"),
};
