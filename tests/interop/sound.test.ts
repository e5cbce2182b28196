// SPDX-License-Identifier: Apache-2.0
// PipeWire with its server for PulseAudio's clients and WirePlumber: what plays is heard, what records needs leave.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Listener } from "../../src/loop/listener.ts";
import { EventLoop } from "../../src/loop/loop.ts";
import { noTraffic } from "../../src/session/bus/stream.ts";
import type { Leave } from "../../src/session/guard/leave.ts";
import { SoundLink } from "../../src/session/sound/link.ts";
import type { Source } from "../../src/session/sound/pulse.ts";
import { connectUnix, listenUnix } from "../../src/sys/sockets.ts";
import type { Desktop } from "./desktop.ts";
import { pactl, silence, startSoundWorld } from "./soundworld.ts";

const id = "org.example.Player";
const denied = "Access denied";
let desktop: Desktop;

beforeAll(async () => {
  desktop = await startSoundWorld(["sh", "pacat", "pactl", "head", "timeout"]);
  desktop.install(id, "[Context]\nsockets=pulseaudio;\n");
});
afterAll(async () => {
  await desktop[Symbol.asyncDispose]();
});

test("an app in its sandbox plays, and records neither the room nor what others play", async () => {
  const script = `head -c 20000 /dev/zero | pacat --raw --device=speaker && echo played
for device in room speaker.monitor @DEFAULT_SOURCE@ @DEFAULT_MONITOR@; do timeout 60 pacat --record --raw --device=$device 2>&1; done
pactl set-default-sink speaker 2>&1; pactl load-module module-null-sink 2>&1; pactl exit 2>&1
for said in "list short clients" "list short sink-inputs" "list short source-outputs" "set-default-source room" \
  "move-sink-input 1 speaker" "move-source-output 1 room" "set-sink-input-mute 1 1" \
  "set-source-output-volume 1 0" "suspend-source room 1" "unload-module 1"; do timeout 60 pactl $said 2>&1; done
pactl list short sinks`;
  const said = await desktop.output(id, script);
  expect(said).toMatch(/^played\n/);
  expect(said.match(new RegExp(denied, "g"))?.length).toBe(17);
  expect(said).toContain("speaker");
  expect(pactl(desktop, "list", "short")).toContain("speaker");
});

describe("a link", () => {
  const loop = new EventLoop();
  const may = new Set<Source>();
  const looks = new Set<() => void>();
  const leave: Leave<Source> = {
    now: async () => new Set(may),
    changes: (look) => {
      looks.add(look);
      return { [Symbol.dispose]: () => void looks.delete(look) };
    },
  };
  const resources = new DisposableStack();
  const end = Promise.withResolvers<void>();
  let app = id;
  let running: Promise<void>;
  let server: string;

  beforeAll(() => {
    const socket = desktop.pit.path("run/gateway");
    server = `--server=unix:${socket}`;
    const links = new Set<SoundLink>();
    const listener = new Listener(loop, listenUnix({ path: socket }), (fd) => {
      const link: SoundLink = new SoundLink(loop, fd, {
        app,
        traffic: noTraffic(),
        leave,
        ended: () => {
          links.delete(link);
          listener.released();
        },
      });
      links.add(link);
      link.attachFrom(() => connectUnix({ path: desktop.pit.path("run/pulse/native") }));
    });
    resources.use(listener);
    resources.defer(() => {
      for (const link of links) link[Symbol.dispose]();
    });
    running = loop.runUntil(end.promise);
  });
  afterAll(async () => {
    resources[Symbol.dispose]();
    end.resolve();
    await running;
    loop[Symbol.dispose]();
  });

  /** Records until something comes, or it ends; and what it says then. */
  async function record(device: string, afterwards?: () => void): Promise<string> {
    const child = spawn("pacat", [server, "--record", "--raw", "--latency-msec=20", `--device=${device}`], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (data: Buffer) => {
      said += data.toString();
    });
    const ended = once(child, "close");
    const first = await Promise.race([once(child.stdout, "data").then(() => "sound"), ended.then(() => said)]);
    if (first === "sound" && afterwards !== undefined) {
      afterwards();
      child.stdout.resume();
    } else {
      child.kill();
    }
    await ended;
    return afterwards === undefined ? first : said;
  }

  test("lets an app record what it may when it asks, and nothing else", async () => {
    expect(await record("room")).toContain(denied);
    may.add("microphone");
    expect(await record("room")).toBe("sound");
    expect(await record("speaker.monitor")).toContain(denied);
    may.add("monitor");
    expect(await record("speaker.monitor")).toBe("sound");
    may.clear();
    expect(await record("room")).toContain(denied);
  });

  test("gives each app samples of its own, and nobody else's", async () => {
    const file = desktop.pit.path("work/bell.wav");
    writeFileSync(file, silence);
    const ask = async (...words: readonly string[]) => {
      const child = spawn("pactl", [server, ...words], { stdio: ["ignore", "ignore", "pipe"] });
      const said: Buffer[] = [];
      child.stderr.on("data", (data: Buffer) => said.push(data));
      await once(child, "close");
      return Buffer.concat(said).toString().trim();
    };
    const samples = () => pactl(desktop, "list", "short", "samples").match(/\S*bell\S*/g) ?? [];
    pactl(desktop, "upload-sample", file, "bell");
    expect(samples()).toEqual(["bell"]);
    for (const name of ["play-sample", "remove-sample"]) expect(await ask(name, "bell")).toContain("No such entity");
    expect(await ask("upload-sample", file, "bell")).toBe("");
    expect(samples().sort()).toEqual(["bell", `${id}..bell`]);
    expect(await ask("play-sample", "bell", "speaker")).toBe("");
    app = "org.example.Other";
    for (const name of ["bell", `${id}..bell`]) expect(await ask("remove-sample", name)).toContain("No such entity");
    expect(await ask("list", "samples")).toContain(denied);
    app = id;
    expect(await ask("remove-sample", "bell")).toBe("");
    expect(samples()).toEqual(["bell"]);
  });

  test("ends what records when that is taken back", async () => {
    may.add("microphone");
    const takeBack = () => {
      may.clear();
      for (const look of looks) look();
    };
    expect(await record("room", takeBack)).toContain("Connection terminated");
    expect(looks.size).toBe(0);
  });

  test("knows a monitor also where the app names it by a number", async () => {
    may.add("microphone");
    const number = /^(\d+)\tspeaker\.monitor/m.exec(pactl(desktop, "list", "short", "sources"))?.[1] ?? "";
    expect(number).not.toBe("");
    const said = await record(number);
    expect(said).not.toBe("sound");
    may.clear();
  });
});
