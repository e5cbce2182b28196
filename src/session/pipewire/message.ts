// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { PodReader } from "../../formats/pod/read.ts";
import { podHeaderBytes } from "../../formats/pod/types.ts";
import { write } from "../../formats/pod/write.ts";

/** Before each message: whom it is for, what to do and the size of the rest, a serial, how many descriptors; 32 bits each. */
export const headerBytes = 16;

/** Numbers of methods and events, by the interface that has them (protocol 3 of PipeWire's native protocol). */
export const core = {
  methods: { hello: 1, sync: 2, pong: 3, error: 4, getRegistry: 5, createObject: 6, destroy: 7 },
  events: { info: 0, done: 1, ping: 2, error: 3, removeId: 4, boundId: 5, addMemory: 6, boundProperties: 8 },
} as const;
export const client = { methods: { updateProperties: 2, getPermissions: 3 } } as const;
export const registry = { methods: { bind: 1 }, events: { global: 0, globalRemove: 1 } } as const;
export const node = { methods: { subscribe: 1, enumerate: 2, setParameter: 3, sendCommand: 4 } } as const;
export const clientNode = {
  methods: { getNode: 1, update: 2, portUpdate: 3, setActive: 4, event: 5, portBuffers: 6 },
  events: { portUseBuffers: 8 },
} as const;
export const securityContext = { methods: { create: 1 } } as const;

/** The command by which a node gives back its memory; PipeWire begins anew with what else is linked to it. */
export const suspend = write.object(0x3_0002, 0);

/** What all names of interfaces begin with. */
export const interfacePrefix = "PipeWire:Interface:";

export const input = 0;
/** The error that says that something is not allowed, EACCES. */
const accessDenied = -13;
const noId = 0xffff_ffff;

export interface Message {
  /** The object that it is for, as this connection names it. */
  readonly id: number;
  readonly opcode: number;
  readonly serial: number;
  readonly descriptors: number;
  /** Bytes with the header. */
  readonly length: number;
  readonly bytes: Uint8Array;
  /** Where the header begins. */
  readonly at: number;
}

/** Reads what stands before a message; at least `headerBytes` are there. Throws `SOUND_PROTOCOL`. */
export function readMessage(bytes: Uint8Array, at: number): Message {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, headerBytes);
  const word = view.getUint32(4, true);
  const message = {
    id: view.getUint32(0, true),
    opcode: word >>> 24,
    serial: view.getUint32(8, true),
    descriptors: view.getUint32(12, true),
    length: headerBytes + (word & 0xff_ffff),
    bytes,
    at,
  };
  if (message.length > limits.pipewireMessageBytes || message.descriptors > limits.pipewireDescriptors)
    throw new DowelError(
      "SOUND_PROTOCOL",
      `A message for PipeWire has ${message.length} bytes and ${message.descriptors} descriptors`,
    );
  return message;
}

/** The values of a message. Throws `SOUND_PROTOCOL`. */
export function valuesOf({ bytes, at, length }: Message): PodReader {
  return PodReader.values(bytes, at + headerBytes, at + length).struct();
}

/**
 * What stands behind the values: at which state of the registry the message was written, and the like. Throws
 * `SOUND_PROTOCOL`.
 */
function footerOf({ bytes, at, length }: Message): Uint8Array {
  const end = at + length;
  const start = at + headerBytes;
  const reader = PodReader.values(bytes, start, end);
  reader.skip();
  // PipeWire looks for it right behind the values, padded or not; all that it writes itself is.
  if (end > start && new DataView(bytes.buffer, bytes.byteOffset).getUint32(start, true) % podHeaderBytes !== 0)
    throw new DowelError("SOUND_PROTOCOL", "The values of a message for PipeWire are not padded");
  return bytes.slice(reader.offset, end);
}

/** The newest state of the registry that a footer names; undefined where it names none. Throws `SOUND_PROTOCOL`. */
export function generationOf(message: Message): bigint | undefined {
  const footer = footerOf(message);
  if (footer.length === 0) return undefined;
  const reader = PodReader.values(footer, 0, footer.length).struct();
  let newest: bigint | undefined;
  while (!reader.done) {
    const [kind, content] = [reader.id(), reader.struct()];
    if (kind !== 0) continue;
    // PipeWire takes each by itself, as a number without sign, and keeps the largest.
    const named = BigInt.asUintN(64, content.long());
    if (newest === undefined || named > newest) newest = named;
  }
  return newest;
}

/** The same message, which says that its sender knows a state of the registry. Throws `SOUND_PROTOCOL`. */
export function withGeneration(message: Message, generation: bigint): Uint8Array {
  const { id, opcode, serial, bytes, at, length } = message;
  const values = bytes.subarray(at + headerBytes, at + length - footerOf(message).length);
  const footer = write.struct(write.id(0), write.struct(write.long(generation)));
  return encodeMessage(id, opcode, serial, values, footer);
}

const nothing = new Uint8Array();

/** A message with one struct. */
export function encodeMessage(
  id: number,
  opcode: number,
  serial: number,
  values: Uint8Array,
  footer: Uint8Array = nothing,
  descriptors = 0,
): Uint8Array {
  const bytes = Buffer.alloc(headerBytes + values.length + footer.length);
  bytes.writeUInt32LE(id, 0);
  bytes.writeUInt32LE(((opcode << 24) | (values.length + footer.length)) >>> 0, 4);
  bytes.writeUInt32LE(serial, 8);
  bytes.writeUInt32LE(descriptors, 12);
  bytes.set(values, headerBytes);
  bytes.set(footer, headerBytes + values.length);
  return bytes;
}

/** A message in place of another one, with its serial and footer. */
export function inPlaceOf(message: Message, values: Uint8Array): Uint8Array {
  return encodeMessage(message.id, message.opcode, message.serial, values, footerOf(message));
}

/** What an event becomes that the client must not see: one that means nothing, as PipeWire itself sends for a footer's sake. */
export function emptyEvent(message: Message): Uint8Array {
  const values = write.struct(write.int(-1), write.int(0));
  return encodeMessage(0, core.events.done, message.serial, values, footerOf(message));
}

/** What a method becomes that the server must not see. */
export function emptyMethod(message: Message): Uint8Array {
  const values = write.struct(write.int(-1), write.int(0));
  return encodeMessage(0, core.methods.pong, message.serial, values, footerOf(message));
}

/** The event that tells the client that it may not do something. @param serial of what it tried */
export function refusal(id: number, serial: number, reason: string): Uint8Array {
  return encodeMessage(0, core.events.error, 0, refusalValues(id, serial, reason));
}

/** The same in place of the event that says why PipeWire could not do what it was asked for instead. */
export function refusalInPlaceOf(message: Message, reason: string): Uint8Array {
  const values = valuesOf(message);
  return inPlaceOf(message, refusalValues(values.int(), values.int(), reason));
}

function refusalValues(id: number, serial: number, reason: string): Uint8Array {
  return write.struct(write.int(id), write.int(serial), write.int(accessDenied), write.text(`Dowel: ${reason}`));
}

/** A name of the same length that no factory has. */
export function noFactory(message: Message): Uint8Array {
  const bytes = message.bytes.slice(message.at, message.at + message.length);
  // Behind the headers of the struct and of its first value, the text.
  const start = headerBytes + 2 * podHeaderBytes;
  const length = new DataView(bytes.buffer).getUint32(headerBytes + podHeaderBytes, true);
  bytes.fill("?".charCodeAt(0), start, start + length - 1);
  return bytes;
}

/** The same call for an object that is not there. */
export function noObject(message: Message): Uint8Array {
  const bytes = message.bytes.slice(message.at, message.at + message.length);
  new DataView(bytes.buffer).setUint32(headerBytes + 2 * podHeaderBytes, noId, true);
  return bytes;
}
