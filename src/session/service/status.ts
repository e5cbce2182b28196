// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { decodeUtf8 } from "../../base/text.ts";
import { EventLoop } from "../../loop/loop.ts";
import type { ServedSocket } from "../../metadata/permissions/names.ts";
import { Epoll, pollFor } from "../../sys/epoll.ts";
import { connectUnix } from "../../sys/sockets.ts";
import { closeDescriptors, FixedBuffer, receive, transmit, wouldBlock } from "../../sys/transfer.ts";
import type { Traffic } from "../bus/stream.ts";
import { decodeStatus } from "./answer.ts";
import type { CountedDenial } from "./denials.ts";

export interface InstanceStatus {
  readonly instance: string;
  readonly app: string;
  /** What stood behind `run`, up to the app's name; undefined where that does not say all. */
  readonly words: readonly string[] | undefined;
  readonly buses: Readonly<Partial<Record<ServedSocket, Traffic>>>;
  readonly denials: readonly CountedDenial[];
}

export interface SessionStatus {
  readonly pid: number;
  readonly instances: readonly InstanceStatus[];
}

/** The packet that asks; the answer is JSON in packets, and the end of the connection. */
export const statusQuestion = "status";

const answerMilliseconds = 5000;
const packetBytes = 64 * 1024;

/** Asks the service at a socket. Throws `SESSION_UNREACHABLE`, or `SESSION_PROTOCOL` where its answer makes no sense. */
export function askStatus(path: string): SessionStatus {
  return decodeStatus(path, exchange(path, statusQuestion));
}

/** Sends a packet to the service, and answers what it says. Throws `SESSION_UNREACHABLE`. */
function exchange(path: string, question: string): string {
  const fd = askAt(path, question);
  try {
    using epoll = new Epoll();
    epoll.add(fd, 1, pollFor.input);
    const answer = new Answer(fd);
    const until = performance.now() + answerMilliseconds;
    while (performance.now() < until) {
      if (epoll.wait(answerMilliseconds) > 0 && answer.read()) return answer.text(path);
    }
    throw silent(path);
  } finally {
    closeDescriptors([fd]);
  }
}

/**
 * Sends a packet to the service, and answers what it says, as long as that may take. Throws `SESSION_UNREACHABLE`, or the
 * signal's reason.
 */
export async function exchangePatiently(path: string, question: string, signal: AbortSignal): Promise<string> {
  const fd = askAt(path, question);
  try {
    using loop = new EventLoop();
    const answer = new Answer(fd);
    const { promise, resolve } = Promise.withResolvers<void>();
    using _watch = loop.watch(fd, pollFor.input, () => {
      if (answer.read()) resolve();
    });
    await loop.runUntil(promise, signal);
    return answer.text(path);
  } finally {
    closeDescriptors([fd]);
  }
}

function silent(path: string): DowelError {
  return new DowelError("SESSION_UNREACHABLE", `The session service at ${path} does not answer`);
}

/** A connection on which a question was sent; the caller closes it. */
function askAt(path: string, question: string): number {
  let fd: number;
  try {
    fd = connectUnix({ path }, "packets");
  } catch (cause) {
    throw new DowelError("SESSION_UNREACHABLE", `No session service listens at ${path}`, {
      hint: "It starts with the first app that uses a bus, or with 'dowel session serve'.",
      cause,
    });
  }
  const buffer = new FixedBuffer(question.length);
  Buffer.from(buffer.bytes.buffer).write(question, "latin1");
  transmit(fd, buffer.address, question.length, []);
  return fd;
}

/** An answer that comes in packets, up to the end of the connection. */
class Answer {
  readonly #fd: number;
  readonly #buffer = new FixedBuffer(packetBytes);
  readonly #pieces: Uint8Array[] = [];

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Takes the next packet; whether it was the last. */
  read(): boolean {
    const count = receive(this.#fd, this.#buffer.address, packetBytes, []);
    if (count > 0) this.#pieces.push(this.#buffer.bytes.slice(0, count));
    return count <= 0 && count !== wouldBlock;
  }

  text(path: string): string {
    if (this.#pieces.length === 0) throw silent(path);
    return decodeUtf8(Buffer.concat(this.#pieces)) ?? "";
  }
}

/** The answer cut into packets. */
export function encodeAnswer(answer: unknown): readonly Uint8Array[] {
  const bytes = Buffer.from(JSON.stringify(answer));
  const count = Math.ceil(bytes.length / packetBytes);
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * packetBytes, (index + 1) * packetBytes));
}
