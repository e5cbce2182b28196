// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { BodyReader } from "../../../src/formats/dbus/body.ts";
import { fixedBytes, MessageHeader, messageType } from "../../../src/formats/dbus/header.ts";
import { encodeMessage, type MessageFields } from "../../../src/formats/dbus/write.ts";

function parse(bytes: Uint8Array, start = 0): MessageHeader {
  const header = new MessageHeader();
  header.measure(bytes, start);
  header.read(bytes, start);
  return header;
}

const call: MessageFields = {
  type: messageType.call,
  serial: 7,
  path: "/org/example",
  interface: "org.example.Iface",
  member: "Member",
  destination: "org.example.Service",
};

function changed(change: (view: DataView) => void, message: MessageFields = call): Uint8Array {
  const bytes = encodeMessage(message);
  change(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  return bytes;
}

const element = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
const dotted = fc.array(element, { minLength: 2, maxLength: 4 }).map((parts) => parts.join("."));
const path = fc.array(element, { maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
const serial = fc.integer({ min: 1, max: 0xffff_ffff });
const anyMessage = fc.record({
  type: fc.integer({ min: 1, max: 4 }),
  flags: fc.integer({ min: 0, max: 255 }),
  serial,
  path,
  interface: dotted,
  member: element,
  errorName: dotted,
  replySerial: serial,
  destination: fc.oneof(dotted, fc.constant(":1.5")),
  sender: fc.constant(":1.77"),
  unixFds: fc.integer({ min: 0, max: 0xffff_ffff }),
  littleEndian: fc.boolean(),
});

describe("MessageHeader", () => {
  test("read() gives back what was written, at any offset and in both byte orders", () => {
    fc.assert(
      fc.property(anyMessage, fc.array(fc.string()), fc.nat(20), (message, texts, offset) => {
        const bytes = encodeMessage({ ...message, signature: "sas", body: (b) => b.string("é").strings(texts) });
        const moved = new Uint8Array(offset + bytes.length);
        moved.set(bytes, offset);
        const header = parse(moved, offset);
        expect(header).toMatchObject({ ...message, signature: "sas", length: bytes.length });
        const body = new BodyReader(moved, offset, header);
        expect([body.string(), body.strings()]).toEqual(["é", texts]);
        body.end();
      }),
    );
  });

  test("read() forgets the message before", () => {
    const header = parse(encodeMessage({ ...call, signature: "s", unixFds: 2, body: (b) => b.string("") }));
    const bytes = encodeMessage({ type: messageType.return, serial: 1, replySerial: 4 });
    header.measure(bytes, 0);
    header.read(bytes, 0);
    expect(header).toMatchObject({ path: "", interface: "", member: "", destination: "", signature: "", unixFds: 0 });
  });

  const invalid: readonly (readonly [string, Uint8Array])[] = [
    ["byte order", changed((view) => view.setUint8(0, 0x78))],
    ["type 0", changed((view) => view.setUint8(1, 0))],
    ["type 5", changed((view) => view.setUint8(1, 5))],
    ["version 2", changed((view) => view.setUint8(3, 2))],
    ["serial 0", changed((view) => view.setUint32(8, 0, true))],
    ["huge body", changed((view) => view.setUint32(4, limits.busMessageBytes, true))],
    ["largest body", changed((view) => view.setUint32(4, 0xffff_ffff, true))],
    ["huge header", changed((view) => view.setUint32(12, limits.busHeaderBytes + 1, true))],
    ["largest header", changed((view) => view.setUint32(12, 0xffff_ffff, true))],
    ["field 0", changed((view) => view.setUint8(16, 0))],
    ["field 10", changed((view) => view.setUint8(16, 10))],
    ["field of another type", changed((view) => view.setUint8(18, 0x73))],
    ["variant of two types", changed((view) => view.setUint8(17, 2))],
    ["text past the header", changed((view) => view.setUint32(20, 0xffff_fff0, true))],
    ["text without NUL", changed((view) => view.setUint8(24 + "/org/example".length, 1))],
    ["padding", changed((view) => view.setUint8(25 + "/org/example".length, 1))],
    ["fields that end early", changed((view) => view.setUint32(12, view.getUint32(12, true) - 1, true))],
    ["body without signature", changed((view) => view.setUint32(4, 4, true))],
    ["relative path", encodeMessage({ ...call, path: "org/example" })],
    ["path with an empty part", encodeMessage({ ...call, path: "/org//example" })],
    ["path of the local bus", encodeMessage({ ...call, path: "/org/freedesktop/DBus/Local" })],
    ["local interface", encodeMessage({ ...call, interface: "org.freedesktop.DBus.Local" })],
    ["interface of one part", encodeMessage({ ...call, interface: "org" })],
    ["long interface", encodeMessage({ ...call, interface: `a.${"b".repeat(254)}` })],
    ["member with a dot", encodeMessage({ ...call, member: "a.b" })],
    ["member with NUL", encodeMessage({ ...call, member: "a\0b" })],
    ["destination of one part", encodeMessage({ ...call, destination: "org" })],
    ["destination with blanks", encodeMessage({ ...call, destination: "org.example.App " })],
    ["unique name of one part", encodeMessage({ ...call, destination: ":1" })],
    ["signature of nothing", encodeMessage({ ...call, signature: "a" })],
    ["signature with an empty struct", encodeMessage({ ...call, signature: "()" })],
    ["signature with a struct as key", encodeMessage({ ...call, signature: "a{(s)s}" })],
    ["deep signature", encodeMessage({ ...call, signature: `${"a".repeat(33)}s` })],
    ["reply to serial 0", encodeMessage({ ...call, replySerial: 0 })],
    ["call without member", encodeMessage({ type: messageType.call, serial: 1, path: "/" })],
    ["call without path", encodeMessage({ type: messageType.call, serial: 1, member: "A" })],
    ["return without serial", encodeMessage({ type: messageType.return, serial: 1 })],
    ["error without name", encodeMessage({ type: messageType.error, serial: 1, replySerial: 1 })],
    ["signal without interface", encodeMessage({ type: messageType.signal, serial: 1, path: "/", member: "A" })],
  ];
  for (const [what, bytes] of invalid) {
    test(`refuses: ${what}`, () => expect(() => parse(bytes)).toThrow("Cannot read the D-Bus message: at offset"));
  }

  test("refuses a field that comes twice", () => {
    const bytes = encodeMessage({ ...call, interface: "org.exa.A", member: "Abcdefghi" });
    const at = bytes.indexOf(3, 17);
    const twice = changed((view) => view.setUint8(at, 2), { ...call, interface: "org.exa.A", member: "Abcdefghi" });
    expect(() => parse(twice)).toThrow("each field once");
  });

  test("accepts the deepest and longest signatures", () => {
    for (const signature of ["a".repeat(32).concat("s"), "(".repeat(32).concat("s", ")".repeat(32)), "y".repeat(255)]) {
      const bytes = encodeMessage({ ...call, signature });
      expect(parse(bytes).signature).toBe(signature);
    }
    expect(() => parse(encodeMessage({ ...call, signature: `${"(".repeat(33)}s${")".repeat(33)}` }))).toThrow();
  });

  test("answers damaged messages with DBUS_INVALID or an understood header, never otherwise", () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(anyMessage, damage, (message, changes) => {
        const bytes = encodeMessage({ ...message, signature: "sas", body: (b) => b.string("x").strings(["y"]) });
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        try {
          const header = new MessageHeader();
          header.measure(bytes, 0);
          if (header.headerLength > bytes.length) return;
          header.read(bytes, 0);
          if (header.length > bytes.length) return;
          const body = new BodyReader(bytes, 0, header);
          body.string();
          body.strings();
          body.end();
        } catch (error) {
          if (!isDowelError(error, "DBUS_INVALID")) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("measure() needs the fixed part only", () => {
    const header = new MessageHeader();
    const bytes = encodeMessage({ ...call, signature: "s", body: (b) => b.string("body") });
    header.measure(bytes.slice(0, fixedBytes), 0);
    expect(header.length).toBe(bytes.length);
  });
});

describe("BodyReader", () => {
  const cases: readonly (readonly [string, number[]])[] = [
    ["a text past the body", [9, 0, 0, 0, 0x61, 0]],
    ["a text without its NUL", [1, 0, 0, 0, 0x61, 0x61]],
    ["a text with NUL in it", [3, 0, 0, 0, 0x61, 0, 0x61, 0]],
    ["a text that is not UTF-8", [1, 0, 0, 0, 0xff, 0]],
  ];
  for (const [what, body] of cases) {
    test(`refuses ${what}`, () => {
      const bytes = encodeMessage({ ...call, signature: "s", body: (b) => b.bytes(Uint8Array.from(body)) });
      expect(() => new BodyReader(bytes, 0, parse(bytes)).string()).toThrow("Cannot read the D-Bus message");
    });
  }

  test("refuses what follows the last value, and an array that ends within one", () => {
    const more = encodeMessage({ ...call, signature: "ss", body: (b) => b.string("a").string("b") });
    const reader = new BodyReader(more, 0, parse(more));
    reader.string();
    expect(() => reader.end()).toThrow("the end of the body");
    const short = encodeMessage({ ...call, signature: "as", body: (b) => b.uint32(5).string("abc") });
    expect(() => new BodyReader(short, 0, parse(short)).strings()).toThrow("the end of the array");
  });
});
