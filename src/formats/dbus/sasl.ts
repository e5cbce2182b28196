// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { latin1 } from "./header.ts";

/** Bytes of a line; what dbus-daemon allows in all. */
const lineBytes = 16 * 1024;
/** Commands before BEGIN; real clients need at most six. */
const commandLimit = 64;

function refused(reason: string): DowelError {
  return new DowelError("DBUS_AUTH", `The authentication on a bus socket failed: ${reason}`);
}

/** Cuts a byte stream into lines that end with CR LF and hold printable ASCII only. */
class LineReader {
  #held = "";

  /** Next line and the offset behind it; undefined while it has not all come. */
  next(bytes: Uint8Array, start: number, end: number): { readonly line: string | undefined; readonly next: number } {
    const newline = bytes.subarray(start, end).indexOf(0x0a);
    const stop = newline < 0 ? end : start + newline + 1;
    this.#held += latin1(bytes, start, stop);
    if (this.#held.length > lineBytes) throw refused(`a line is longer than ${lineBytes} bytes`);
    if (newline < 0) return { line: undefined, next: stop };
    const line = this.#held.slice(0, -2);
    if (!this.#held.endsWith("\r\n") || !/^[\x20-\x7e\t]*$/.test(line))
      throw refused("a line holds control characters");
    this.#held = "";
    return { line, next: stop };
  }
}

/**
 * The server's side of SASL EXTERNAL ("Authentication Protocol" of the D-Bus specification). Bytes in, answer out. What
 * the client says is never passed on, so it cannot mean one thing here and another to the bus.
 */
export class SaslServer {
  readonly #user: string;
  readonly #guid: string;
  readonly #lines = new LineReader();
  #state: "credentials" | "start" | "data" | "accepted" | "negotiating" | "done" = "credentials";
  #commands = 0;
  #agreed: boolean | undefined;

  /** @param user decimal user id that a client may claim; @param guid 32 hexadecimal digits of the bus */
  constructor(user: number, guid: string) {
    this.#user = String(user);
    this.#guid = guid;
  }

  /** Whether the client asks for descriptors; nothing more is taken before `agree` says what the bus does. */
  get negotiating(): boolean {
    return this.#state === "negotiating";
  }

  /** The answer to a client that is negotiating. */
  agree(passesDescriptors: boolean): string {
    this.#state = "accepted";
    this.#agreed = passesDescriptors;
    return passesDescriptors ? "AGREE_UNIX_FD\r\n" : 'ERROR "No descriptors here"\r\n';
  }

  /** Whether BEGIN has come; bytes behind it are messages. */
  get done(): boolean {
    return this.#state === "done";
  }

  /** Takes bytes; `next` is the offset of the first one not used. Throws `DBUS_AUTH`. */
  feed(bytes: Uint8Array, start: number, end: number): { readonly answer: string; readonly next: number } {
    let at = start;
    let answer = "";
    if (this.#state === "credentials" && at < end) {
      if (bytes[at++] !== 0) throw refused("the first byte is not NUL");
      this.#state = "start";
    }
    while (!this.done && !this.negotiating && at < end) {
      const { line, next } = this.#lines.next(bytes, at, end);
      at = next;
      if (line !== undefined) answer += this.#command(line);
    }
    return { answer, next: at };
  }

  #command(line: string): string {
    if (++this.#commands > commandLimit) throw refused("too many commands");
    const [word = "", ...words] = line.split(/[ \t]+/);
    if (word === "BEGIN") {
      if (this.#state !== "accepted") throw refused("BEGIN before a mechanism was accepted");
      this.#state = "done";
      return "";
    }
    if (word === "NEGOTIATE_UNIX_FD" && this.#state === "accepted") {
      if (this.#agreed !== undefined) return this.agree(this.#agreed);
      this.#state = "negotiating";
      return "";
    }
    if (word === "AUTH" && this.#state === "start") return this.#mechanism(words);
    if (word === "DATA" && this.#state === "data") return this.#identity(words[0] ?? "");
    if (word === "CANCEL" || word === "ERROR") return this.#reject();
    return 'ERROR "Unknown command"\r\n';
  }

  #mechanism(words: readonly string[]): string {
    if (words[0] !== "EXTERNAL") return this.#reject();
    if (words[1] !== undefined) return this.#identity(words[1]);
    this.#state = "data";
    return "DATA\r\n";
  }

  /** An empty identity is that of the credentials. */
  #identity(hexadecimal: string): string {
    const claimed = Buffer.from(hexadecimal, "hex").toString("latin1");
    if (hexadecimal.length !== 2 * claimed.length || (claimed !== "" && claimed !== this.#user)) return this.#reject();
    this.#state = "accepted";
    return `OK ${this.#guid}\r\n`;
  }

  #reject(): string {
    this.#state = "start";
    return "REJECTED EXTERNAL\r\n";
  }
}

/** The client's side: everything is said at once, then the answers are read; or one step after the other. */
export class SaslClient {
  readonly #lines = new LineReader();
  #answers = 0;
  #expected: number;
  guid = "";
  passesDescriptors = false;

  /** @param steps whether `identity` is sent, and later `negotiate` where descriptors are wished for; else `opening` is */
  constructor(steps = false) {
    this.#expected = steps ? 1 : 2;
  }

  static identity(user: number): Uint8Array {
    const identity = Buffer.from(String(user), "latin1").toString("hex");
    return Buffer.from(`\0AUTH EXTERNAL ${identity}\r\n`, "latin1");
  }

  /** All that is to be said. */
  static opening(user: number): Uint8Array {
    return Buffer.concat([SaslClient.identity(user), Buffer.from(`NEGOTIATE_UNIX_FD\r\n${SaslClient.end}`)]);
  }

  /** What is said behind all steps. */
  static readonly end = "BEGIN\r\n";

  /** What to send for descriptors; the answer is awaited. */
  negotiate(): string {
    this.#expected = 2;
    return "NEGOTIATE_UNIX_FD\r\n";
  }

  /** Whether all answers have come. */
  get done(): boolean {
    return this.#answers === this.#expected;
  }

  /** Takes bytes and returns the offset of the first one not used. Throws `DBUS_AUTH`. */
  feed(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (!this.done && at < end) {
      const { line, next } = this.#lines.next(bytes, at, end);
      at = next;
      if (line !== undefined) this.#answer(line);
    }
    return at;
  }

  #answer(line: string): void {
    this.#answers++;
    if (this.#answers === 2) {
      this.passesDescriptors = line === "AGREE_UNIX_FD";
      return;
    }
    const guid = /^OK ([0-9a-fA-F]{32})$/.exec(line)?.[1];
    if (guid === undefined) throw refused("the bus does not accept this user");
    this.guid = guid;
  }
}
