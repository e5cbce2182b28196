// SPDX-License-Identifier: Apache-2.0
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { untilListening } from "../support/listening.ts";
import { until } from "../support/until.ts";
import { Desktop } from "./desktop.ts";
import { type ProgramSource, thisMachine } from "./programs.ts";

const node = (name: string, kind: string): string =>
  `{ factory = adapter args = { factory.name = support.null-audio-sink node.name = "${name}" media.class = ${kind} object.linger = true audio.position = [ MONO ] } }`;

/** A second of silence, as WAVE. */
export const silence = Buffer.concat([
  Buffer.from(
    "52494646 24770100 57415645 666d7420 10000000 0100 0100 80bb0000 00770100 0200 1000 64617461".replaceAll(" ", ""),
    "hex",
  ),
  Buffer.from([0, 0x77, 1, 0]),
  Buffer.alloc(96_000),
]);

/** One version of PipeWire and its like. */
interface SoundVersion {
  readonly source: ProgramSource;
  readonly startOf: (program: string) => readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

export const installed: SoundVersion = { source: thisMachine, startOf: (program) => [program], variables: {} };

/**
 * A desktop whose PipeWire has a loudspeaker, `speaker`, and a microphone, `room`; with WirePlumber, and the server for
 * PulseAudio's clients.
 */
export async function startSoundWorld(
  programs: readonly string[],
  folders: readonly string[] = [],
  { source, startOf, variables }: SoundVersion = installed,
): Promise<Desktop> {
  const desktop = await Desktop.start(programs, folders, source);
  const { pit } = desktop;
  const configuration = pit.path("home/.config/pipewire");
  cpSync(join(source.root, "usr/share/pipewire"), configuration, { recursive: true });
  const folder = `${configuration}/pipewire.conf.d`;
  mkdirSync(folder, { recursive: true });
  const nodes = [node("speaker", "Audio/Sink"), node("room", "Audio/Source/Virtual")];
  writeFileSync(`${folder}/test.conf`, `context.objects = [ ${nodes.join(" ")} ]\n`);
  pit.own(pit.path("home"));
  for (const [program, socket] of [
    ["pipewire", "pipewire-0"],
    ["wireplumber", undefined],
    ["pipewire-pulse", "pulse/native"],
  ] as const) {
    desktop.host(startOf(program), variables);
    if (socket !== undefined) await untilListening(program, pit.path("run", socket));
  }
  await until("the devices", () => ["speaker", "room"].every((name) => pactl(desktop, "list", "short").includes(name)));
  return desktop;
}

/** What the user's own program says; nothing where it fails. */
export function pactl(desktop: Desktop, ...words: readonly string[]): string {
  try {
    return desktop.ask(["pactl", `--server=unix:${desktop.pit.path("run/pulse/native")}`, ...words]);
  } catch {
    return "";
  }
}
