// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { isInterface, isMember, isObjectPath, isPeerName } from "./names.ts";
import { isSignature } from "./signature.ts";

export const messageType = { call: 1, return: 2, error: 3, signal: 4 } as const;
export const messageFlag = { noReplyExpected: 1, noAutoStart: 2, allowInteraction: 4 } as const;

/** The fixed part: byte order, type, flags, version, length of the body, serial, length of the fields. */
export const fixedBytes = 16;

/** Types of the fields by their code: path, interface, member, error, reply serial, destination, sender, signature, descriptors. */
const fieldTypes = " osssussgu";

export function invalidMessage(offset: number, expected: string): DowelError {
  return new DowelError("DBUS_INVALID", `Cannot read the D-Bus message: at offset ${offset} there must be ${expected}`);
}

/**
 * Reads headers of messages where they lie ("Message Protocol" of the D-Bus specification), both byte orders. One
 * object is used for message after message, so that reading allocates nothing but the names. Stricter than the
 * specification: unknown types, unknown fields and fields that come twice are refused, as is a header longer than
 * `limits.busHeaderBytes`. Throws `DBUS_INVALID`.
 */
export class MessageHeader {
  littleEndian = true;
  type = 0;
  flags = 0;
  serial = 0;
  /** Bytes from the start of the message to its body. */
  headerLength = 0;
  /** Bytes of the whole message. */
  length = 0;
  path = "";
  interface = "";
  member = "";
  errorName = "";
  /** 0: none. */
  replySerial = 0;
  destination = "";
  sender = "";
  signature = "";
  unixFds = 0;

  /** Takes the fixed part, 16 bytes at `start`, which gives the two lengths. */
  measure(bytes: Uint8Array, start: number): void {
    const order = bytes[start];
    if (order !== 0x6c && order !== 0x42) throw invalidMessage(0, "the byte order 'l' or 'B'");
    this.littleEndian = order === 0x6c;
    this.type = bytes[start + 1] ?? 0;
    if (this.type < 1 || this.type > 4) throw invalidMessage(1, "a type from 1 to 4");
    this.flags = bytes[start + 2] ?? 0;
    if (bytes[start + 3] !== 1) throw invalidMessage(3, "version 1");
    const body = this.#number(bytes, start + 4);
    this.serial = this.#number(bytes, start + 8);
    if (this.serial === 0) throw invalidMessage(8, "a serial other than 0");
    const fields = this.#number(bytes, start + 12);
    this.headerLength = (fixedBytes + fields + 7) & ~7;
    if (fields > limits.busHeaderBytes) throw invalidMessage(12, `at most ${limits.busHeaderBytes} bytes of fields`);
    this.length = this.headerLength + body;
    if (this.length > limits.busMessageBytes) throw invalidMessage(4, `at most ${limits.busMessageBytes} bytes in all`);
  }

  /** Takes the fields; the whole header must be at `start`, measured before. */
  read(bytes: Uint8Array, start: number): void {
    this.path = this.interface = this.member = this.errorName = "";
    this.destination = this.sender = this.signature = "";
    this.replySerial = this.unixFds = 0;
    const end = fixedBytes + this.#number(bytes, start + 12);
    let seen = 0;
    let at = fixedBytes;
    while (at < end) {
      at = this.#align(bytes, start, at, 8);
      const code = bytes[start + at] ?? 0;
      if (code < 1 || code > 9) throw invalidMessage(at, "a field from 1 to 9");
      if ((seen & (1 << code)) !== 0) throw invalidMessage(at, "each field once");
      seen |= 1 << code;
      at = this.#field(bytes, start, at, end, code);
    }
    if (at !== end) throw invalidMessage(at, "the end of the fields");
    this.#align(bytes, start, end, 8);
    this.#checkRequired(seen);
  }

  #number(bytes: Uint8Array, at: number): number {
    const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    return (this.littleEndian ? a | (b << 8) | (c << 16) | (d << 24) : d | (c << 8) | (b << 16) | (a << 24)) >>> 0;
  }

  #align(bytes: Uint8Array, start: number, from: number, unit: number): number {
    let at = from;
    while ((at & (unit - 1)) !== 0) {
      if (bytes[start + at] !== 0) throw invalidMessage(at, "padding of zeros");
      at++;
    }
    return at;
  }

  /** A variant whose type is the field's; returns the offset behind it. */
  #field(bytes: Uint8Array, start: number, from: number, end: number, code: number): number {
    const type = fieldTypes.charCodeAt(code);
    if (
      from + 5 > end ||
      bytes[start + from + 1] !== 1 ||
      bytes[start + from + 2] !== type ||
      bytes[start + from + 3] !== 0
    )
      throw invalidMessage(from + 1, `a variant of type '${fieldTypes.charAt(code)}'`);
    if (type === 0x67) return this.#text(bytes, start, from + 5, bytes[start + from + 4] ?? 0, end, code);
    const at = this.#align(bytes, start, from + 4, 4);
    if (at + 4 > end) throw invalidMessage(at, "a number within the header");
    const value = this.#number(bytes, start + at);
    if (type !== 0x75) return this.#text(bytes, start, at + 4, value, end, code);
    if (code === 5) {
      if (value === 0) throw invalidMessage(at, "a serial other than 0");
      this.replySerial = value;
    } else {
      this.unixFds = value;
    }
    return at + 4;
  }

  #text(bytes: Uint8Array, start: number, at: number, length: number, end: number, code: number): number {
    if (at + length >= end || bytes[start + at + length] !== 0) throw invalidMessage(at, "a text that ends with NUL");
    const text = validText(code, bytes, start + at, length);
    if (text === undefined) throw invalidMessage(at, `a valid ${fieldNames[code]}`);
    this.#take(code, text);
    return at + length + 1;
  }

  #take(code: number, text: string): void {
    switch (code) {
      case 1:
        this.path = text;
        break;
      case 2:
        this.interface = text;
        break;
      case 3:
        this.member = text;
        break;
      case 4:
        this.errorName = text;
        break;
      case 6:
        this.destination = text;
        break;
      case 7:
        this.sender = text;
        break;
      default:
        this.signature = text;
    }
  }

  #checkRequired(seen: number): void {
    const required = requiredFields[this.type] ?? 0;
    if ((seen & required) !== required) throw invalidMessage(fixedBytes, "all fields that its type requires");
    if (this.signature === "" && this.length > this.headerLength) {
      throw invalidMessage(4, "no body where there is no signature");
    }
  }
}

const fieldNames = ["", "path", "interface", "member", "error name", "", "destination", "sender", "signature"];
/** Bits by code: a call needs path and member; a return its serial; an error both; a signal path, interface, member. */
const requiredFields = [0, 0b1010, 0b100000, 0b110000, 0b1110];

function isValid(code: number, text: string): boolean {
  switch (code) {
    case 1:
      return isObjectPath(text) && text !== "/org/freedesktop/DBus/Local";
    case 2:
      return isInterface(text) && text !== "org.freedesktop.DBus.Local";
    case 3:
      return isMember(text);
    case 4:
      return isInterface(text);
    case 6:
    case 7:
      return isPeerName(text);
    default:
      return isSignature(text);
  }
}

/** Valid texts seen lately, by code: most messages say again what one before them said. */
const lately = Array.from({ length: 10 }, (): string[] => new Array<string>(64).fill(""));
const latelyBytes = 128;

function equals(text: string, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) !== bytes[start + index]) return false;
  return true;
}

/** The text of a field, or undefined where it is not valid. */
function validText(code: number, bytes: Uint8Array, start: number, length: number): string | undefined {
  const texts = lately[code];
  const slot = (length * 7 + (bytes[start + length - 1] ?? 0) + 3 * (bytes[start + (length >> 1)] ?? 0)) & 63;
  const known = texts?.[slot];
  if (known !== undefined && known.length === length && length > 0 && equals(known, bytes, start)) return known;
  const text = latin1(bytes, start, start + length);
  if (!isValid(code, text)) return undefined;
  if (texts !== undefined && length <= latelyBytes) texts[slot] = text;
  return text;
}

/** A text of bytes, one character each. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.prototype.latin1Slice.call(bytes, start, end);
}
