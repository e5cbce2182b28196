// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { DowelError } from "../../../src/base/errors.ts";
import { PodReader } from "../../../src/formats/pod/read.ts";
import { write } from "../../../src/formats/pod/write.ts";
import { type Facts, PipewireFilter } from "../../../src/session/pipewire/filter.ts";
import {
  encodeMessage,
  generationOf,
  headerBytes,
  readMessage,
  valuesOf,
} from "../../../src/session/pipewire/message.ts";
import type { Verdict } from "../../../src/session/pipewire/stream.ts";
import { cameraView, type Source, soundView } from "../../../src/session/pipewire/view.ts";
import { events, footer, methods } from "./messages.ts";

const speaker = { "media.class": "Audio/Sink", "node.name": "speaker" };
const room = { "media.class": "Audio/Source", "node.name": "room" };
const play = { "media.class": "Stream/Output/Audio", "node.name": "player" };
const record = { "media.class": "Stream/Input/Audio" };
const eye = { "media.class": "Video/Source", "media.role": "Camera" };

/** A client that has greeted, with the registry 2, and the client 44 of PipeWire. */
class Talk {
  readonly filter: PipewireFilter;
  denied = 0;
  facts: Facts;

  constructor(view = soundView, granted: readonly Source[] = []) {
    this.facts = { granted: new Set(granted), sinks: new Set(["speaker"]), heard: undefined };
    this.filter = new PipewireFilter(view, () => this.denied++);
    this.says(methods.hello);
    this.hears(events.info(7));
    this.hears(events.boundId(1, 44));
    this.says(methods.getRegistry(2));
  }

  #settled(direction: "client" | "server", judge: () => Verdict): Verdict {
    const first = judge();
    if (first !== "wait") return first;
    this.filter.learn(direction, this.facts);
    return judge();
  }

  says(bytes: Uint8Array): Verdict {
    return this.#settled("client", () => this.filter.fromClient(readMessage(bytes, 0)));
  }

  hears(bytes: Uint8Array): Verdict {
    return this.#settled("server", () => this.filter.fromServer(readMessage(bytes, 0)));
  }
}

/** The object and method of what went on in place of a message. */
function insteadOf(verdict: Verdict): readonly number[] {
  if (typeof verdict === "string") throw new Error(`It was said: ${verdict}`);
  const { id, opcode } = readMessage(verdict, 0);
  return [id, opcode];
}

/** Calls that mean nothing, and events. */
const [noMethod, noEvent, anError] = [
  [0, 3],
  [0, 1],
  [0, 3],
];

describe("a client", () => {
  test("must greet first, and once", () => {
    const fresh = () => new PipewireFilter(soundView, () => undefined);
    const old = encodeMessage(0, 1, 16, write.struct(write.int(3)), new Uint8Array(), 14);
    for (const first of [methods.getRegistry(2), encodeMessage(0, 1, 0, write.struct(write.int(2))), old]) {
      expect(() => fresh().fromClient(readMessage(first, 0))).toThrow(DowelError);
    }
    expect(() => new Talk().says(methods.hello)).toThrow(DowelError);
  });

  test("is shown where it can play, itself and what it made, and can bind nothing else", () => {
    const talk = new Talk();
    const shown = [
      events.global(2, 0, "Core", {}),
      events.global(2, 44, "Client", {}),
      events.global(2, 30, "Node", speaker),
      events.global(2, 40, "Port", { "node.id": "30", "port.direction": "in" }),
      events.global(2, 50, "Node", { ...play, "client.id": "44" }),
      events.global(2, 51, "Port", { "node.id": "50", "port.direction": "out" }),
      events.global(2, 52, "Link", { "link.output.node": "50", "link.input.node": "30" }),
      events.global(2, 38, "Metadata", { "metadata.name": "default" }),
    ];
    for (const event of shown) expect(talk.hears(event)).toBe("pass");
    const hidden = [
      events.global(2, 31, "Node", room),
      events.global(2, 32, "Port", { "node.id": "31", "port.direction": "out" }),
      events.global(2, 41, "Port", { "node.id": "30", "port.direction": "out", "port.monitor": "true" }),
      events.global(2, 35, "Client", {}),
      events.global(2, 60, "Node", { ...play, "client.id": "45" }),
      events.global(2, 61, "Link", { "link.output.node": "60", "link.input.node": "30" }),
      events.global(2, 39, "Metadata", { "metadata.name": "route-settings" }),
      events.global(2, 33, "Node", eye),
      ...["Device", "Module", "Factory", "Profiler", "SecurityContext", "Unheard"].map((type, index) =>
        events.global(2, 70 + index, type, {}),
      ),
    ];
    for (const event of hidden) expect(insteadOf(talk.hears(event))).toEqual(noEvent);
    expect(talk.says(methods.bind(2, 30, "Node", 3))).toBe("pass");
    for (const [index, [global, type]] of (
      [
        [31, "Node"],
        [35, "Client"],
        [70, "Device"],
        [30, "Port"],
        [99, "Node"],
      ] as const
    ).entries()) {
      const verdict = talk.says(methods.bind(2, global, type, 4 + index)) as Uint8Array;
      expect(valuesOf(readMessage(verdict, 0)).int()).toBe(-1);
      expect(insteadOf(talk.hears(events.error(4 + index)))).toEqual(anError);
    }
    expect(insteadOf(talk.hears(events.globalRemove(2, 31)))).toEqual(noEvent);
    expect(talk.hears(events.globalRemove(2, 30))).toBe("pass");
    expect(talk.denied).toBe(5);
  });

  test("changes nothing of others", () => {
    const talk = new Talk();
    talk.hears(events.global(2, 30, "Node", speaker));
    talk.hears(events.global(2, 38, "Metadata", { "metadata.name": "default" }));
    talk.says(methods.bind(2, 30, "Node", 3));
    talk.says(methods.bind(2, 38, "Metadata", 4));
    expect(talk.says(methods.any(3, 2))).toBe("pass");
    for (const [id, opcode] of [
      [3, 3],
      [3, 4],
      [4, 1],
      [4, 2],
      [2, 2],
      [1, 4],
      [1, 1],
    ] as const) {
      expect(insteadOf(talk.says(methods.any(id, opcode)))).toEqual(noMethod);
    }
    expect(talk.filter.takeRefusals().length).toBe(7);
    expect(() => talk.says(methods.any(0, 9))).toThrow(DowelError);
  });

  test("makes streams that play, and nothing else", () => {
    const talk = new Talk();
    expect(insteadOf(talk.says(methods.create(3, play)))).toEqual([0, 6]);
    const refused: readonly Uint8Array[] = [
      methods.create(4, record),
      methods.create(5, { "media.class": "Audio/Sink" }),
      methods.create(6, { "media.class": "Audio/Source" }),
      methods.create(7, { "media.class": "Stream/Input/Video" }),
      methods.create(8, { "link.output.port": "41" }, "link-factory", "PipeWire:Interface:Link"),
      methods.create(9, play, "adapter", "PipeWire:Interface:Node"),
      methods.create(10, play, "client-node", "PipeWire:Interface:Node"),
    ];
    for (const bytes of refused) {
      expect(valuesOf(readMessage(talk.says(bytes) as Uint8Array, 0)).text()).toMatch(/^\?+$/);
    }
    for (let id = 4; id <= 10; id++) {
      const verdict = talk.hears(events.error(id)) as Uint8Array;
      const values = valuesOf(readMessage(verdict, 0));
      expect([values.int(), values.int(), values.int()]).toEqual([id, 3, -13]);
      expect(values.text()).toStartWith("Dowel: an app ");
      expect(talk.hears(events.removeId(id))).toBe("pass");
    }
  });

  test("says of itself and its streams nothing that decides about rights or others", () => {
    const talk = new Talk();
    const said = { "application.name": "x", "pipewire.access": "unrestricted", "media.category": "Manager" };
    const kept = valuesOf(readMessage(talk.says(methods.describe(said)) as Uint8Array, 0)).struct();
    expect(kept.dictionary()).toEqual(new Map([["application.name", "x"]]));
    const wished = {
      ...play,
      "priority.session": "9999",
      "device.id": "1",
      "target.object": "speaker",
      "node.group": "a",
    };
    const values = valuesOf(readMessage(talk.says(methods.create(3, wished)) as Uint8Array, 0));
    values.skip(3);
    expect(values.struct().dictionary()).toEqual(new Map(Object.entries({ ...play, "target.object": "speaker" })));
    const elsewhere = talk.says(methods.create(4, { ...play, "target.object": "callers-microphone" })) as Uint8Array;
    const others = valuesOf(readMessage(elsewhere, 0));
    others.skip(3);
    expect(others.struct().dictionary()).toEqual(new Map(Object.entries(play)));
    const changed = talk.says(methods.update(3, { "media.class": "Audio/Sink", "node.name": "b" })) as Uint8Array;
    const update = valuesOf(readMessage(changed, 0));
    update.skip(3);
    const known = update.struct();
    known.skip(4);
    expect(known.dictionary()).toEqual(new Map([["node.name", "b"]]));
    expect([known.int(), known.done]).toEqual([0, true]);
  });

  test("gives a number twice, or too many: the connection ends", () => {
    expect(() => new Talk().says(methods.getRegistry(2))).toThrow(DowelError);
    expect(() => new Talk().says(methods.bind(2, 99, "Node", 1))).toThrow(DowelError);
    const registries = new Talk();
    expect(() => Array.from({ length: 20 }, (_, index) => registries.says(methods.getRegistry(3 + index)))).toThrow(
      DowelError,
    );
    const many = new Talk();
    const bindAll = () =>
      Array.from({ length: 10_000 }, (_, index) => many.says(methods.bind(2, 99, "Node", 3 + index)));
    expect(bindAll).toThrow(DowelError);
  });

  test("uses a number again when PipeWire has given it back, and not before", () => {
    const talk = new Talk();
    talk.says(methods.create(3, play));
    expect(talk.says(methods.any(0, 7, write.int(3)))).toBe("pass");
    expect(() => talk.says(methods.create(3, play))).toThrow(DowelError);
    talk.hears(events.removeId(3));
    expect(insteadOf(talk.says(methods.create(3, play)))).toEqual([0, 6]);
    // What it was before does not count.
    talk.hears(events.removeId(3));
    talk.says(methods.bind(2, 99, "Node", 3));
    expect(insteadOf(talk.says(methods.any(3, 3)))).toEqual(noMethod);
  });

  test.each([
    ["a registry", (version: number) => methods.any(0, 5, write.int(version), write.int(9))],
    [
      "a node",
      (version: number) =>
        methods.any(2, 1, write.int(30), write.text("PipeWire:Interface:Node"), write.int(version), write.int(9)),
    ],
    [
      "a stream",
      (version: number) => {
        const texts = ["client-node", "PipeWire:Interface:ClientNode"].map(write.text);
        return methods.any(0, 6, ...texts, write.int(version), write.struct(write.dictionary(new Map())), write.int(9));
      },
    ],
  ])("wants %s of an old version, whose methods have other numbers: the connection ends", (_name, ask) => {
    const talk = new Talk();
    talk.hears(events.global(2, 30, "Node", speaker));
    for (const version of [0, 2, -1]) expect(() => talk.says(ask(version))).toThrow(DowelError);
    expect(talk.says(ask(3))).not.toBe("wait");
  });

  test("never says what it knows: its binds name the state that it was told of", () => {
    const talk = new Talk();
    talk.hears(events.global(2, 30, "Node", speaker, 5n));
    const bind = methods.bind(2, 30, "Node", 3);
    const said = readMessage(talk.says(bind) as Uint8Array, 0);
    expect(Buffer.from(said.bytes).equals(Buffer.concat([bind, footer(5n)]).fill(said.bytes[4] ?? 0, 4, 5))).toBe(true);
    expect(generationOf(said)).toBe(5n);
    // Who says that it knows less gets nothing that came since, by PipeWire itself.
    const again = encodeMessage(2, 1, 0, methods.bind(2, 30, "Node", 4).subarray(headerBytes), footer(4n));
    expect(talk.says(again)).toBe("pass");
    expect(talk.says(methods.bind(2, 30, "Node", 5))).toBe("pass");
  });

  test.each([
    ["a number without sign", footer(-1n)],
    [
      "one of two numbers",
      write.struct(write.id(0), write.struct(write.long(9n)), write.id(0), write.struct(write.long(1n))),
    ],
  ])("claims a later state by %s: the connection ends", (_name, known) => {
    const talk = new Talk();
    talk.hears(events.global(2, 30, "Node", speaker, 5n));
    const values = methods.bind(2, 30, "Node", 3).subarray(headerBytes);
    expect(() => talk.says(encodeMessage(2, 1, 0, values, known))).toThrow(DowelError);
  });

  test("puts a footer where PipeWire finds it and a careful reader does not: the connection ends", () => {
    const talk = new Talk();
    const values = Buffer.from(methods.bind(2, 30, "Node", 3).subarray(headerBytes));
    // Four bytes more in the struct, and no padding behind.
    values.writeUInt32LE(values.readUInt32LE(0) + 4, 0);
    const shifted = Buffer.concat([values, Buffer.alloc(4), footer(9n), Buffer.alloc(4)]);
    expect(() => talk.says(encodeMessage(2, 1, 0, shifted))).toThrow(DowelError);
  });

  test("claims to know a later state than it was told of: the connection ends", () => {
    const talk = new Talk();
    const hidden = talk.hears(events.global(2, 31, "Node", room, 5n)) as Uint8Array;
    // What is hidden still brings the state, which a later bind must name.
    expect(readMessage(hidden, 0).length).toBe(headerBytes + 40 + footer(5n).length);
    const bind = (generation: bigint) => {
      const bytes = methods.any(2, 1, write.int(9), write.text("x"), write.int(3), write.int(3));
      const values = PodReader.values(bytes, headerBytes, bytes.length);
      values.skip();
      return encodeMessage(2, 1, 0, bytes.subarray(headerBytes), footer(generation));
    };
    expect(talk.says(bind(5n))).toBeInstanceOf(Uint8Array);
    expect(() => talk.says(bind(6n))).toThrow(DowelError);
  });

  test("sends descriptors that nobody needs: the connection ends", () => {
    const sync = encodeMessage(0, 2, 0, write.struct(write.int(0), write.int(0)), new Uint8Array(), 1);
    expect(() => new Talk().says(sync)).toThrow(DowelError);
  });
});

describe("what comes in", () => {
  const withInput = (granted: readonly Source[], heard: readonly Source[] | undefined): Talk => {
    const talk = new Talk(soundView, granted);
    talk.facts = { ...talk.facts, heard };
    talk.says(methods.create(3, play));
    talk.says(methods.portUpdate(3, 0));
    return talk;
  };

  test("is memory only where all that is linked may be heard", () => {
    for (const event of [events.addMemory, events.useBuffers(3, 0)]) {
      expect(withInput(["microphone"], ["microphone"]).hears(event)).toBe("pass");
      expect(withInput([], []).hears(event)).toBe("pass");
      for (const heard of [["monitor"], ["microphone", "monitor"], ["camera"], undefined] as const) {
        expect(() => withInput(["microphone"], heard).hears(event)).toThrow(DowelError);
      }
    }
  });

  test("of a client without inputs is its own, and nobody is asked", () => {
    const talk = new Talk();
    talk.says(methods.create(3, play));
    talk.says(methods.portUpdate(3, 1));
    expect(talk.hears(events.addMemory)).toBe("pass");
    expect(talk.hears(events.useBuffers(3, 1))).toBe("pass");
    expect(() => talk.hears(events.useBuffers(3, 0))).toThrow(DowelError);
  });
});

test("leave for the microphone lets a client record, and see what there is to record", () => {
  const talk = new Talk(soundView, ["microphone"]);
  expect(insteadOf(talk.says(methods.create(3, record)))).toEqual([0, 6]);
  expect(talk.filter.takeRefusals()).toEqual([]);
  expect(talk.hears(events.global(2, 31, "Node", room))).toBe("pass");
  expect(talk.hears(events.global(2, 32, "Port", { "node.id": "31", "port.direction": "out" }))).toBe("pass");
  expect(talk.hears(events.global(2, 30, "Node", speaker))).toBe("pass");
  const monitor = { "node.id": "30", "port.direction": "out", "port.monitor": "true" };
  expect(insteadOf(talk.hears(events.global(2, 41, "Port", monitor)))).toEqual(noEvent);
});

test("a client that sees cameras sees nothing else, and makes nothing but what shows them", () => {
  const talk = new Talk(cameraView, ["camera"]);
  expect(talk.hears(events.global(2, 33, "Node", eye))).toBe("pass");
  expect(talk.hears(events.global(2, 34, "Port", { "node.id": "33", "port.direction": "out" }))).toBe("pass");
  for (const properties of [
    speaker,
    room,
    { "media.class": "Video/Source" },
    { "media.class": "Stream/Output/Video" },
  ]) {
    expect(insteadOf(talk.hears(events.global(2, 60, "Node", properties)))).toEqual(noEvent);
  }
  expect(talk.filter.takeRefusals()).toEqual([]);
  for (const [id, kind, name] of [
    [3, "Stream/Input/Video", "client-node"],
    [4, "Stream/Output/Audio", ""],
    [5, "Stream/Input/Audio", ""],
  ] as const) {
    const factory = valuesOf(
      readMessage(talk.says(methods.create(id, { "media.class": kind })) as Uint8Array, 0),
    ).text();
    expect(factory).toBe(name === "" ? "?".repeat(11) : name);
  }
});
