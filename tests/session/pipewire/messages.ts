// SPDX-License-Identifier: Apache-2.0
import { write } from "../../../src/formats/pod/write.ts";
import { encodeMessage } from "../../../src/session/pipewire/message.ts";

const { int, text, struct, dictionary } = write;
const dict = (properties: Readonly<Record<string, string>>) => struct(dictionary(new Map(Object.entries(properties))));
const clientNode = "PipeWire:Interface:ClientNode";

/** Methods as a client sends them. */
export const methods = {
  hello: encodeMessage(0, 1, 0, struct(int(3))),
  describe: (properties: Readonly<Record<string, string>>) => encodeMessage(1, 2, 1, struct(dict(properties))),
  getRegistry: (id: number) => encodeMessage(0, 5, 2, struct(int(3), int(id))),
  create: (id: number, properties: Readonly<Record<string, string>>, factory = "client-node", type = clientNode) =>
    encodeMessage(0, 6, 3, struct(text(factory), text(type), int(4), dict(properties), int(id))),
  bind: (registry: number, global: number, type: string, id: number) =>
    encodeMessage(registry, 1, 4, struct(int(global), text(`PipeWire:Interface:${type}`), int(3), int(id))),
  update: (id: number, properties: Readonly<Record<string, string>>) => {
    const fixed = [int(0), int(65), write.long(1n), write.long(0n)];
    const known = struct(...fixed, dictionary(new Map(Object.entries(properties))), int(0));
    return encodeMessage(id, 2, 5, struct(int(2), int(1), struct(), known));
  },
  portUpdate: (id: number, direction: number) =>
    encodeMessage(id, 3, 6, struct(int(direction), int(0), int(0), int(0), struct())),
  any: (id: number, opcode: number, ...values: readonly Uint8Array[]) =>
    encodeMessage(id, opcode, 7, struct(...values)),
} as const;

/** Behind a message: which state of the registry its sender knows. */
export function footer(generation: bigint): Uint8Array {
  return struct(write.id(0), struct(write.long(generation)));
}

/** Events as PipeWire sends them. */
export const events = {
  info: (cookie: number) => encodeMessage(0, 0, 0, struct(int(0), int(cookie))),
  boundId: (id: number, global: number) => encodeMessage(0, 5, 1, struct(int(id), int(global))),
  error: (id: number) => encodeMessage(0, 3, 2, struct(int(id), int(3), int(-2), text("unknown"))),
  removeId: (id: number) => encodeMessage(0, 4, 3, struct(int(id))),
  addMemory: encodeMessage(0, 6, 4, struct(int(0)), new Uint8Array(), 0),
  global: (registry: number, id: number, type: string, properties: Readonly<Record<string, string>>, generation = 0n) =>
    encodeMessage(
      registry,
      0,
      5,
      struct(int(id), int(0), text(`PipeWire:Interface:${type}`), int(3), dict(properties)),
      generation === 0n ? new Uint8Array() : footer(generation),
    ),
  globalRemove: (registry: number, id: number) => encodeMessage(registry, 1, 6, struct(int(id))),
  useBuffers: (id: number, direction: number) =>
    encodeMessage(id, 8, 7, struct(int(direction), int(0), int(0), int(0))),
} as const;
