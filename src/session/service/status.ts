// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { decodeUtf8 } from "../../base/text.ts";
import type { ServedSocket } from "../../metadata/permissions/names.ts";
import { Epoll, pollFor } from "../../sys/epoll.ts";
import { connectUnix } from "../../sys/sockets.ts";
import { closeDescriptors, FixedBuffer, receive, transmit } from "../../sys/transfer.ts";
import type { Traffic } from "../bus/stream.ts";
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

/** Asks the service at a socket. Throws `SESSION_UNREACHABLE`. */
export function askStatus(path: string): SessionStatus {
  return JSON.parse(exchange(path, statusQuestion, [])) as SessionStatus;
}

/** Sends a packet with descriptors to the service, and answers what it says. Throws `SESSION_UNREACHABLE`. */
export function exchange(path: string, question: string, descriptors: readonly number[]): string {
  let fd: number;
  try {
    fd = connectUnix({ path }, "packets");
  } catch (cause) {
    throw new DowelError("SESSION_UNREACHABLE", `No session service listens at ${path}`, {
      hint: "It starts with the first app that uses a bus, or with 'dowel session serve'.",
      cause,
    });
  }
  try {
    return ask(fd, path, question, descriptors);
  } finally {
    closeDescriptors([fd]);
  }
}

function ask(fd: number, path: string, question: string, descriptors: readonly number[]): string {
  using epoll = new Epoll();
  epoll.add(fd, 1, pollFor.input);
  const buffer = new FixedBuffer(packetBytes);
  Buffer.from(buffer.bytes.buffer).write(question, "latin1");
  transmit(fd, buffer.address, question.length, descriptors);
  const pieces: Uint8Array[] = [];
  const until = performance.now() + answerMilliseconds;
  while (performance.now() < until) {
    if (epoll.wait(answerMilliseconds) === 0) continue;
    const count = receive(fd, buffer.address, packetBytes, []);
    if (count > 0) pieces.push(buffer.bytes.slice(0, count));
    else if (pieces.length > 0) return decodeUtf8(Buffer.concat(pieces)) ?? "";
    else break;
  }
  throw new DowelError("SESSION_UNREACHABLE", `The session service at ${path} does not answer`);
}

/** The answer cut into packets. */
export function encodeStatus(status: SessionStatus): readonly Uint8Array[] {
  const bytes = Buffer.from(JSON.stringify(status));
  const count = Math.ceil(bytes.length / packetBytes);
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * packetBytes, (index + 1) * packetBytes));
}
