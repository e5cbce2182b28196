// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";

/** Before each packet: length, channel, offset in two halves, flags; big endian (the native protocol of PulseAudio). */
export const frameBytes = 20;
const commandChannel = 0xffff_ffff;
/** What data is to do with what came before it; every other flag is about shared memory, of which there is none. */
const seekFlags = 0xff;
/** The version that a client says is in the lower half, what it can of shared memory above. */
const versionMask = 0xffff;
const accessDenied = 1;

/** Commands by their number in the protocol; numbers are only ever added to. */
export const command = {
  error: 0,
  reply: 2,
  createPlaybackStream: 3,
  deletePlaybackStream: 4,
  createRecordStream: 5,
  deleteRecordStream: 6,
  auth: 8,
  playbackStreamKilled: 64,
  recordStreamKilled: 65,
  recordStreamMoved: 79,
} as const;

/** What a client needs to be heard and to show devices: streams for playback and samples, and questions. */
const playback = new Set([
  ...[3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 29, 31, 33, 35],
  ...[37, 41, 42, 43, 46, 60, 69, 72, 74, 81, 82, 84, 85, 88, 89],
]);
/** The same for streams that record. */
const recording = new Set([5, 6, 47, 57, 58, 59, 73, 75, 80, 83, 98, 99]);

export interface Frame {
  /** With `frameBytes`. */
  readonly length: number;
  readonly isCommand: boolean;
}

/** The error of a client that breaks the protocol. */
export function malformed(what: string): DowelError {
  return new DowelError("SOUND_PROTOCOL", `A client of the sound server says what makes no sense: ${what}`);
}

/** Reads what stands before a packet. Throws `SOUND_PROTOCOL`. */
export function readFrame(bytes: Uint8Array, at: number): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, frameBytes);
  const [length, isCommand] = [view.getUint32(0), view.getUint32(4) === commandChannel];
  if (length > (isCommand ? limits.soundCommandBytes : limits.soundDataBytes))
    throw malformed(`${length} bytes at once`);
  if ((view.getUint32(16) & ~(isCommand ? 0 : seekFlags)) !== 0) throw malformed("shared memory");
  return { length: frameBytes + length, isCommand };
}

interface Token {
  readonly tag: string;
  /** Where its value begins and ends. */
  readonly start: number;
  readonly end: number;
}

/** Of `P`, properties, and `f`, a format, what is in them follows as values of their own. */
const fixedSizes: Readonly<Record<string, number>> = {
  ...{ N: 0, "1": 0, "0": 0, L: 4, B: 1, R: 8, r: 8, a: 6, T: 8, U: 8, V: 4, P: 0, f: 0 },
};

/** The values of a packet by their types ("tagstruct"). */
class Tokens {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = end;
  }

  /** Throws `SOUND_PROTOCOL` where the packet ends before. */
  #take(bytes: number): number {
    const start = this.#at;
    this.#at += bytes;
    if (this.#at > this.#end) throw malformed("a value is cut");
    return start;
  }

  next(): Token | undefined {
    if (this.#at === this.#end) return undefined;
    const tag = String.fromCharCode(this.#bytes[this.#take(1)] ?? 0);
    const start = this.#at;
    this.#take(this.#sizeOf(tag));
    return { tag, start, end: this.#at };
  }

  #sizeOf(tag: string): number {
    const fixed = Object.hasOwn(fixedSizes, tag) ? fixedSizes[tag] : undefined;
    if (fixed !== undefined) return fixed;
    switch (tag) {
      case "t": {
        const nul = this.#bytes.indexOf(0, this.#at);
        return nul < 0 || nul >= this.#end ? this.#end - this.#at + 1 : nul - this.#at + 1;
      }
      case "x":
        return 4 + (this.#at + 4 <= this.#end ? this.#view.getUint32(this.#at) : 0);
      case "m":
        return 1 + (this.#bytes[this.#at] ?? 0);
      case "v":
        return 1 + 4 * (this.#bytes[this.#at] ?? 0);
      default:
        throw malformed(`the type ${JSON.stringify(tag)}`);
    }
  }

  /** Throws `SOUND_PROTOCOL` where the next value is no number. */
  number(): number {
    const token = this.next();
    if (token?.tag !== "L") throw malformed("a number is missing");
    return this.#view.getUint32(token.start);
  }

  text(token: Token): string {
    return Buffer.from(this.#bytes.subarray(token.start, token.end - 1)).toString("utf8");
  }

  /** All that is left. A list of properties ends with no text. */
  rest(): { texts: string[]; names: string[]; numbers: number[] } {
    const found = { texts: [] as string[], names: [] as string[], numbers: [] as number[] };
    let inList = false;
    for (let token = this.next(); token !== undefined; token = this.next()) {
      const { tag } = token;
      if (tag === "t") (inList ? found.names : found.texts).push(this.text(token));
      if (tag === "N" && !inList) found.texts.push("");
      if (tag === "L" && !inList) found.numbers.push(this.#view.getUint32(token.start));
      if (tag === "P") inList = true;
      else if (tag === "N") inList = false;
    }
    return found;
  }
}

/** A whole packet with a command. */
export interface Command {
  readonly number: number;
  readonly tag: number;
  /** The texts in it, in order; empty for none. */
  readonly texts: readonly string[];
  /** The names of all properties. */
  readonly names: readonly string[];
  /** The numbers in it, in order. */
  readonly numbers: readonly number[];
}

/** Reads a packet with a command. Throws `SOUND_PROTOCOL`. */
export function readCommand(bytes: Uint8Array, at: number, length: number): Command {
  const tokens = new Tokens(bytes, at + frameBytes, at + length);
  const [number, tag] = [tokens.number(), tokens.number()];
  return { number, tag, ...tokens.rest() };
}

/** The values of a whole packet. Throws `SOUND_PROTOCOL`. */
export function tokensOf(packet: Uint8Array): readonly Token[] {
  const tokens = new Tokens(packet, frameBytes, packet.length);
  const found: Token[] = [];
  for (let token = tokens.next(); token !== undefined; token = tokens.next()) found.push(token);
  return found;
}

/** A packet with a command, of values as they stand in it. */
export function packetOf(...values: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(frameBytes);
  head.writeUInt32BE(
    values.reduce((sum, { length }) => sum + length, 0),
    0,
  );
  head.writeUInt32BE(commandChannel, 4);
  return Buffer.concat([head, ...values]);
}

export function textOf(text: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from("t"), text, Buffer.alloc(1)]);
}

/** One property of a list: its name, and its value with the size before it, twice. */
export function propertyOf(key: string, value: Uint8Array): Uint8Array {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(value.length + 1, 0);
  return Buffer.concat([
    textOf(Buffer.from(key)),
    Buffer.from("L"),
    size,
    Buffer.from("x"),
    size,
    value,
    Buffer.alloc(1),
  ]);
}

/** Takes out of a client's greeting what it can of shared memory; returns the version that it says. */
export function withoutSharedMemory(bytes: Uint8Array, at: number): number {
  // Behind the command and its tag, five bytes each, comes the type of the version.
  const version = at + frameBytes + 11;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isThere = readFrame(bytes, at).length >= version + 4 - at;
  if (!isThere || view.getUint8(version - 1) !== "L".charCodeAt(0)) throw malformed("no version");
  const said = view.getUint32(version) & versionMask;
  view.setUint32(version, said);
  return said;
}

/** What is heard in a room, or what any app plays. */
export type Source = "microphone" | "monitor";

function sourceOf(device: string): Source {
  return device.endsWith(".monitor") || device === "@DEFAULT_MONITOR@" ? "monitor" : "microphone";
}

/** Properties by which a stream would choose for itself what it is, where it goes, or what it records. */
const choice =
  /^(media\.class|stream\.(capture\.sink|monitor)|(client|device|factory|link|node|object|pipewire|port|priority|session|target)\..*)$/;
/** Of a stream that is to record, which number says whose sound alone it is to get. */
const directOnInput = 3;
const noIndex = 0xffff_ffff;

/** What a command of a client needs: nothing, a source at least, or what nobody gets here. */
export function needsOf({ number, texts, names, numbers }: Command): "nothing" | "refused" | Source {
  const chooses = names.some((name) => choice.test(name));
  // What a client says of itself its streams have as well.
  if (playback.has(number)) return chooses ? "refused" : "nothing";
  if (!recording.has(number)) return "refused";
  const isDirect = number === command.createRecordStream && (numbers[directOnInput] ?? noIndex) !== noIndex;
  return chooses || isDirect || texts.some((text) => sourceOf(text) === "monitor") ? "monitor" : "microphone";
}

/** Streams of a client, by what they do. */
export type Doing = "plays" | "records";

/** Questions and changes that name a stream by its index, which all clients share: its answer, volume and silence. */
const byIndex: ReadonlyMap<number, Doing> = new Map([
  ...[29, 37, 69].map((number) => [number, "plays"] as const),
  ...[31, 98, 99].map((number) => [number, "records"] as const),
]);

/** What the stream does that a command names by its index; undefined where it names none. */
export function namesByIndex({ number }: Command): Doing | undefined {
  return byIndex.get(number);
}

/** Which source a message of the server says that a stream of the client has. @param opened whether it answers its opening */
export function sourceTold(message: Command, opened: boolean): Source | undefined {
  const tells = message.number === command.recordStreamMoved || opened;
  // Clients of old versions are not told, and of what is no device there is no name; then it could be any.
  return tells ? sourceOf(message.texts[0] || ".monitor") : undefined;
}

/** The packet that refuses a command. */
export function refusal(tag: number): Uint8Array {
  const bytes = Buffer.alloc(frameBytes + 15);
  bytes.writeUInt32BE(15, 0);
  bytes.writeUInt32BE(commandChannel, 4);
  for (const [index, value] of [command.error, tag, accessDenied].entries()) {
    bytes.write("L", frameBytes + index * 5, "latin1");
    bytes.writeUInt32BE(value, frameBytes + index * 5 + 1);
  }
  return bytes;
}
