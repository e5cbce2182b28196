// SPDX-License-Identifier: Apache-2.0
import { fstatSync, readFileSync } from "node:fs";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { latin1 } from "../../formats/dbus/header.ts";
import type { Bus, ServedSocket } from "../../metadata/permissions/names.ts";
import { closeDescriptors } from "../../sys/transfer.ts";
import { applyOption, noRules, type SocketRules } from "../proxy/options.ts";

/**
 * What the launcher sends to `RUN/session.sock` (a SEQPACKET socket), once for each instance, in one packet, without
 * waiting for an answer. All numbers are little endian.
 *
 *     0   8 bytes  "DOWELBUS"
 *     8   u32      version, 1
 *     12  u32      buses that are served: bit 0 session, bit 1 system, bit 2 accessibility, bit 3 sound, bit 4 PipeWire
 *     16  u32      flags: bit 0, a descriptor for the log comes along
 *     20  24 bytes the instance's number in decimal, padded with NUL
 *
 * With it come descriptors: the policy (a file, read from its start), a pidfd of the monitor, the control socket, the
 * log where flag 0 is set, then a listening stream socket for each bus in the order of the bits.
 *
 * The control socket is a SEQPACKET pair with the monitor. The service sends the bit of a bus in one byte; the monitor
 * connects to that bus and answers with the same byte and the connection, or with a zero byte. It answers in order. Its
 * end of the pair closes with the monitor, the service's end with the service: a monitor that sees that hands the same
 * descriptors over again, as soon as it can connect.
 *
 * The policy is words, each ended by NUL: the app's id, then for each bus its name and options of xdg-dbus-proxy(1), then,
 * where they say all about the start, `run` and the words up to the app's name, as typed. A policy that takes its place
 * is written to the same file, so that a monitor that hands over again hands over what counts now.
 */
export interface Handover {
  readonly number: string;
  readonly policy: number;
  readonly monitor: number;
  readonly control: number;
  readonly log: number | undefined;
  readonly listeners: readonly { readonly bus: ServedSocket; readonly fd: number }[];
}

export const busBits: Readonly<Record<ServedSocket, number>> = {
  session: 1,
  system: 2,
  a11y: 4,
  pulse: 8,
  pipewire: 16,
};

const buses: readonly Bus[] = ["session", "system", "a11y"];
const sockets: readonly ServedSocket[] = [...buses, "pulse", "pipewire"];
const magic = "DOWELBUS";
const packetBytes = 44;
const logFlag = 1;

function malformed(expected: string): DowelError {
  return new DowelError("SESSION_PROTOCOL", `Cannot take over an instance: there must be ${expected}`);
}

/** Reads a handover and its policy; where it throws `SESSION_PROTOCOL`, the descriptors are closed. */
export function parseHandover(packet: Uint8Array, descriptors: readonly number[]): Handover & InstancePolicy {
  try {
    const handover = read(packet, descriptors);
    checkKinds(handover);
    return { ...handover, ...parsePolicy(readPolicy(handover.policy)) };
  } catch (error) {
    closeDescriptors(descriptors);
    throw error;
  }
}

function read(packet: Uint8Array, descriptors: readonly number[]): Handover {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  if (packet.length !== packetBytes || latin1(packet, 0, 8) !== magic)
    throw malformed(`a packet of ${packetBytes} bytes`);
  if (view.getUint32(8, true) !== 1) throw malformed("version 1");
  const [mask, flags] = [view.getUint32(12, true), view.getUint32(16, true)];
  if (mask === 0 || mask > 31 || flags > logFlag) throw malformed("known buses and flags");
  const number = latin1(packet, 20, packetBytes).replace(/\0+$/, "");
  if (!/^[1-9][0-9]{0,19}$/.test(number)) throw malformed("the number of an instance");
  const served = sockets.filter((bus) => (mask & busBits[bus]) !== 0);
  const fixed = 3 + (flags & logFlag);
  if (descriptors.length !== fixed + served.length) throw malformed(`${fixed + served.length} descriptors`);
  const at = (index: number): number => descriptors[index] ?? -1;
  return {
    number,
    policy: at(0),
    monitor: at(1),
    control: at(2),
    log: (flags & logFlag) === 0 ? undefined : at(3),
    listeners: served.map((bus, index) => ({ bus, fd: at(fixed + index) })),
  };
}

/** Only what epoll(7) can watch is taken on. */
function checkKinds({ control, monitor, listeners }: Handover): void {
  for (const fd of [control, ...listeners.map((listener) => listener.fd)]) {
    if (!fstatSync(fd).isSocket()) throw malformed("sockets");
  }
  if (!/^Pid:\t[1-9]/m.test(readFileSync(`/proc/self/fdinfo/${monitor}`, "latin1"))) {
    throw malformed("a pidfd of a process that lives");
  }
}

/** The file is read from its start, wherever the sender's offset is. */
function readPolicy(fd: number): string {
  const found = fstatSync(fd);
  if (!found.isFile() || found.size > limits.busPolicyBytes) {
    throw malformed(`a file of at most ${limits.busPolicyBytes} bytes as policy`);
  }
  return readFileSync(`/proc/self/fd/${fd}`, "utf8");
}

/** The packet for a handover; its descriptors go beside it. */
export function encodeHandover(number: string, served: readonly ServedSocket[], withLog: boolean): Uint8Array {
  const packet = Buffer.alloc(packetBytes);
  packet.write(magic, "latin1");
  packet.writeUInt32LE(1, 8);
  packet.writeUInt32LE(
    served.reduce((mask, bus) => mask | busBits[bus], 0),
    12,
  );
  packet.writeUInt32LE(withLog ? logFlag : 0, 16);
  packet.write(number, 20, "latin1");
  return packet;
}

export interface InstancePolicy {
  readonly app: string;
  readonly rules: ReadonlyMap<Bus, SocketRules>;
  /** The words of the start behind `run`; undefined where they do not say all. */
  readonly words: readonly string[] | undefined;
}

/** Reads the words of a policy. Throws `SESSION_PROTOCOL`, or `USAGE` for a wrong option. */
export function parsePolicy(text: string): InstancePolicy {
  const [app = "", ...all] = text.split("\0").slice(0, -1);
  const run = all.indexOf("run");
  const words = run < 0 ? all : all.slice(0, run);
  const rules = new Map<Bus, SocketRules>();
  let current: SocketRules | undefined;
  for (const word of words) {
    const bus = buses.find((name) => name === word);
    if (word === "pulse" || word === "pipewire") {
      current = undefined;
    } else if (bus !== undefined) {
      current = noRules();
      rules.set(bus, current);
    } else if (current === undefined) {
      throw malformed("the name of a bus before its options");
    } else {
      applyOption(current, word);
    }
  }
  return { app, rules, words: run < 0 ? undefined : all.slice(run + 1) };
}
