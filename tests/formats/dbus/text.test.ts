// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isDowelError } from "../../../src/base/errors.ts";
import { parseBusAddress } from "../../../src/formats/dbus/address.ts";
import { canonicalMatchRule, parseMatchRule } from "../../../src/formats/dbus/matchrule.ts";
import { SaslClient, SaslServer } from "../../../src/formats/dbus/sasl.ts";

describe("parseMatchRule()", () => {
  const valid: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ["", {}],
    ["type='signal'", { type: "signal" }],
    ["type=signal,path=/a/b", { type: "signal", path: "/a/b" }],
    ["type='signal',", { type: "signal" }],
    [" type ='signal',\tinterface='a.b'", { type: "signal", interface: "a.b" }],
    ["arg0='a,b',arg63path='/x/'", { arg0: "a,b", arg63path: "/x/" }],
    ["arg0='it'\\''s'", { arg0: "it's" }],
    ["arg0=a\\b", { arg0: "a\\b" }],
    ["sender=:1.5,arg0namespace=org", { sender: ":1.5", arg0namespace: "org" }],
    ["eavesdrop =true", { eavesdrop: "true" }],
    ["eavesdrop\n='true'", { eavesdrop: "true" }],
    ["eavesdrop='tr''ue'", { eavesdrop: "true" }],
  ];
  for (const [rule, keys] of valid) {
    test(`reads ${JSON.stringify(rule)}`, () => expect(Object.fromEntries(parseMatchRule(rule))).toEqual(keys));
  }

  const invalid = [
    "type",
    "=signal",
    "type='signal",
    "type='signal',type='signal'",
    "type='nothing'",
    "type= 'signal'",
    "colour='red'",
    "EAVESDROP='true'",
    "eavesdrop='yes'",
    "eaves drop='true'",
    "eavesdrop\u00a0='true'",
    "arg64='a'",
    "arg01='a'",
    "arg='a'",
    "path='a'",
    "path='/a/'",
    "interface='a'",
    "member='a.b'",
    "sender='a'",
    ",type='signal'",
    `arg0='${"a".repeat(1024)}'`,
  ];
  for (const rule of invalid) {
    test(`refuses ${JSON.stringify(rule.slice(0, 40))}`, () =>
      expect(() => parseMatchRule(rule)).toThrow("Cannot read the match rule"));
  }

  test("finds every way to write a quoted value", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (value) => {
        const quoted = `'${value.replaceAll("'", "'\\''")}'`;
        expect(parseMatchRule(`arg3=${quoted}`).get("arg3")).toBe(value);
      }),
    );
  });

  test("ends for every text", () => {
    const piece = fc.constantFrom("type", "=", "'", ",", " ", "\\", "signal", "eavesdrop", "true", "arg0", "\n", "x");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        try {
          parseMatchRule(pieces.join(""));
        } catch (error) {
          if (!isDowelError(error, "DBUS_INVALID")) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("canonicalMatchRule() is the same for the same keys in any order and writing", () => {
    const one = canonicalMatchRule(parseMatchRule("type='signal',arg0=a.b"));
    expect(canonicalMatchRule(parseMatchRule(" arg0='a.b' ,".replace(" ,", ",type=signal")))).toBe(one);
  });
});

describe("parseBusAddress()", () => {
  test("reads paths, abstract names, escapes and lists", () => {
    expect(parseBusAddress("unix:path=/run/user/1000/bus,guid=00")).toEqual([{ path: "/run/user/1000/bus" }]);
    expect(parseBusAddress("unix:guid=0,abstract=/tmp/dbus%2dx")).toEqual([{ abstract: "/tmp/dbus-x" }]);
    expect(parseBusAddress("tcp:host=a,port=1;unix:path=/a;unix:path=/b;")).toEqual([{ path: "/a" }, { path: "/b" }]);
  });
  for (const address of ["", "unix", ":path=/a", "tcp:host=a", "unix:path=%zz", "unix:path=%ff", "unix:dir=/tmp"]) {
    test(`refuses '${address}'`, () => expect(() => parseBusAddress(address)).toThrow("address"));
  }
});

const guid = "0123456789abcdef0123456789abcdef";
const own = Buffer.from("1000").toString("hex");

/** Feeds in pieces of a size; what was answered, whether it is done, and what is left over. */
function serve(text: string, size = 1 << 20, passes = true): { answer: string; done: boolean; left: string } {
  const server = new SaslServer(1000, guid);
  const bytes = Buffer.from(text, "latin1");
  let answer = "";
  let at = 0;
  while (at < bytes.length && !server.done) {
    const result = server.feed(bytes, at, Math.min(at + size, bytes.length));
    answer += result.answer;
    if (server.negotiating) answer += server.agree(passes);
    at = result.next;
  }
  return { answer, done: server.done, left: bytes.toString("latin1", at) };
}

describe("SaslServer", () => {
  test("lets its own user in, with descriptors", () => {
    expect(serve(`\0AUTH EXTERNAL ${own}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\x01`)).toEqual({
      answer: `OK ${guid}\r\nAGREE_UNIX_FD\r\n`,
      done: true,
      left: "l\x01",
    });
  });
  test("answers a question for descriptors as the bus does, and a second one at once", () => {
    const asked = `\0AUTH EXTERNAL ${own}\r\nNEGOTIATE_UNIX_FD\r\n`;
    const server = new SaslServer(1000, guid);
    const bytes = Buffer.from(`${asked}NEGOTIATE_UNIX_FD\r\nBEGIN\r\n`);
    expect(server.feed(bytes, 0, bytes.length)).toEqual({ answer: `OK ${guid}\r\n`, next: asked.length });
    expect(server.negotiating).toBe(true);
    expect(server.agree(false)).toStartWith("ERROR");
    expect(server.feed(bytes, asked.length, bytes.length).answer).toStartWith("ERROR");
    expect(server.done).toBe(true);
  });
  test("asks for the identity, and takes none as that of the credentials", () => {
    expect(serve("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n").answer).toBe(`DATA\r\nOK ${guid}\r\n`);
  });
  test("rejects other users and mechanisms, and lets try again", () => {
    const text = `\0AUTH\r\nAUTH ANONYMOUS 00\r\nAUTH EXTERNAL 30\r\nAUTH EXTERNAL 3\r\nFOO\r\nAUTH EXTERNAL ${own}\r\nBEGIN\r\n`;
    const rejected = "REJECTED EXTERNAL\r\n".repeat(4);
    expect(serve(text).answer).toBe(`${rejected}ERROR "Unknown command"\r\nOK ${guid}\r\n`);
  });
  test("sees BEGIN with words or blanks behind it", () => {
    for (const begin of ["BEGIN ", "BEGIN\t", "BEGIN now"]) {
      expect(serve(`\0AUTH EXTERNAL\r\nDATA\r\n${begin}\r\nrest`)).toMatchObject({ done: true, left: "rest" });
    }
  });
  const hostile: readonly (readonly [string, string])[] = [
    ["no NUL", "AUTH EXTERNAL\r\n"],
    ["BEGIN first", "\0BEGIN\r\n"],
    ["BEGIN after a rejection", "\0AUTH EXTERNAL 30\r\nBEGIN\r\n"],
    ["BEGIN after CANCEL", "\0AUTH EXTERNAL\r\nDATA\r\nCANCEL\r\nBEGIN\r\n"],
    ["a bare newline", "\0AUTH EXTERNAL\nBEGIN\n"],
    ["control characters", "\0AUTH\x01 EXTERNAL\r\n"],
    ["a carriage return in a line", "\0AUTH EXTERNAL\rBEGIN\r\n"],
    ["bytes above ASCII", "\0AUTH EXTERNAL \xff\r\n"],
    ["an endless line", `\0AUTH ${"x".repeat(20_000)}`],
    ["endless commands", `\0${"AUTH\r\n".repeat(100)}`],
  ];
  for (const [what, text] of hostile) {
    test(`ends at ${what}, in one piece or byte by byte`, () => {
      expect(() => serve(text)).toThrow("The authentication on a bus socket failed");
      expect(() => serve(text, 1)).toThrow("The authentication on a bus socket failed");
    });
  }
  test("answers the same however the bytes are cut", () => {
    const word = fc.constantFrom("\0", "AUTH", " EXTERNAL", ` ${own}`, "\r\n", "\n", "DATA", "BEGIN", "CANCEL", "x");
    fc.assert(
      fc.property(fc.array(word, { maxLength: 15 }), fc.integer({ min: 1, max: 9 }), (words, size) => {
        const attempt = (pieces: number): unknown => {
          try {
            return serve(`\0${words.join("")}`, pieces);
          } catch (error) {
            if (isDowelError(error, "DBUS_AUTH")) return "refused";
            throw error;
          }
        };
        expect(attempt(size)).toEqual(attempt(1 << 20));
      }),
    );
  });
});

describe("SaslClient", () => {
  test("works with the server", () => {
    const opening = SaslClient.opening(1000);
    const { answer } = serve(Buffer.from(opening).toString("latin1"));
    const client = new SaslClient();
    const bytes = Buffer.from(`${answer}l`);
    expect(client.feed(bytes, 0, bytes.length)).toBe(bytes.length - 1);
    expect(client).toMatchObject({ done: true, guid, passesDescriptors: true });
  });
  test("says one thing after the other where it is to", () => {
    const client = new SaslClient(true);
    expect(client.feed(Buffer.from(`OK ${guid}\r\n`), 0, 37)).toBe(37);
    expect(client).toMatchObject({ done: true, guid, passesDescriptors: false });
    expect(client.negotiate()).toBe("NEGOTIATE_UNIX_FD\r\n");
    expect(client.done).toBe(false);
    client.feed(Buffer.from("AGREE_UNIX_FD\r\n"), 0, 15);
    expect(client).toMatchObject({ done: true, passesDescriptors: true });
  });
  test("refuses a bus that rejects or says nonsense", () => {
    for (const text of ["REJECTED EXTERNAL\r\n", "OK\r\n", "OK 12\r\n", "ERROR\r\n", "x".repeat(20_000)]) {
      expect(() => new SaslClient().feed(Buffer.from(text), 0, text.length)).toThrow("authentication");
    }
  });
});
