// SPDX-License-Identifier: Apache-2.0
// PipeWire with WirePlumber, as apps reach it by its own protocol: what plays is heard, what records needs leave.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../support/until.ts";
import { debian13Programs, pipewireVariables, prepareDebian13, startOf } from "./debian13.ts";
import type { Desktop } from "./desktop.ts";
import { installed, silence, startSoundWorld } from "./soundworld.ts";

const id = "org.example.Player";
const triple = readFileSync("/proc/self/maps", "latin1").match(/\/lib\/(\S+-linux-gnu)\//)?.[1] ?? "";
const tools = ["pw-cat", "pw-cli", "pw-link", "pw-metadata"];
const shell = ["sh", "head", "wc", "sleep", "timeout", "pacat"];
const modules = [
  ...["rt", "protocol-native", "client-node", "client-device", "adapter", "metadata", "session-manager"].map(
    (name) => `pipewire-0.3/libpipewire-module-${name}`,
  ),
  ...["support/libspa-support", "audioconvert/libspa-audioconvert", "videoconvert/libspa-videoconvert"].map(
    (name) => `spa-0.2/${name}`,
  ),
].map((name) => `lib/${triple}/${name}.so`);
const programs = mkdtempSync(join(tmpdir(), "dowel-programs-"));
const problem = await prepareDebian13();
const newer = () => ({ source: debian13Programs(), startOf, variables: pipewireVariables() });

/** Builds camera.c. */
function buildCamera(): string {
  const libraries = ["libpipewire-0.3", "libsystemd"];
  const flags = execFileSync("pkg-config", ["--cflags", "--libs", ...libraries], { encoding: "utf8" });
  chmodSync(programs, 0o755);
  const program = join(programs, "camera");
  const words = ["-O2", "-Wall", "-Werror", "-o", program, "tests/interop/camera.c", ...flags.trim().split(/\s+/)];
  execFileSync("gcc", words);
  return program;
}

/** Records by both protocols when the folder of data says so, and tells when something came, and when it ended. */
const recorder = `cd $XDG_DATA_HOME
timeout 60 pw-cat -r --target room /tmp/own.wav 2> /dev/null > /dev/null; echo "own $?"
timeout 60 pacat --record --raw --device=room 2> /dev/null; echo "pulse $?"
: > ready; until [ -e go ]; do sleep 0.05; done
pw-cat -r --target room /tmp/own.wav 2> /dev/null & own=$!
pacat --record --raw --device=room --latency-msec=20 > /tmp/pulse.raw 2> /dev/null & pulse=$!
for file in own.wav pulse.raw; do
  until [ "$(head -c 4000 /tmp/$file 2> /dev/null | wc -c)" = 4000 ]; do sleep 0.05; done
done
echo recording; : > recording
wait $own; echo "own $?"
wait $pulse; echo "pulse $?"
timeout 60 pw-cat -p silence.wav && echo played
`;

const refused = "access 1\nrefused org.freedesktop.portal.Error.NotAllowed\n";

afterAll(() => {
  rmSync(programs, { recursive: true });
});

describe.each([
  ["the installed version", undefined, () => installed],
  [`1.4 of Debian 13 (${problem ?? "at hand"})`, problem, newer],
] as const)("PipeWire, %s", (_name, missing, version) => {
  let desktop: Desktop;
  let camera: string;

  beforeAll(async () => {
    if (missing !== undefined) return;
    camera = buildCamera();
    desktop = await startSoundWorld([...shell, ...tools, ...modules, camera], ["share/pipewire"], version());
    desktop.host([camera, "serve"]);
    await until("the camera", () => look("pw-cli", "ls", "Node").includes('node.name = "eye"'));
    desktop.install(id, "[Context]\nsockets=pulseaudio;\n");
    const { pit } = desktop;
    const data = pit.path("home/.var/app", id, "data");
    mkdirSync(data, { recursive: true });
    writeFileSync(`${data}/silence.wav`, silence);
    pit.own(pit.path("home"));
  });
  afterAll(async () => {
    await desktop?.[Symbol.asyncDispose]();
  });

  /** What a program of the user's own says of PipeWire. */
  function look(...words: readonly string[]): string {
    const { pit } = desktop;
    return desktop.ask(["env", `XDG_RUNTIME_DIR=${pit.path("run")}`, ...words]);
  }

  test.skipIf(missing !== undefined)(
    "an app in its sandbox plays, and records, sees, links and changes nothing",
    async () => {
      const number = /id (\d+), type PipeWire:Interface:Node\/3(?:(?!id \d)[\s\S])*node.name = "speaker"/.exec(
        look("pw-cli", "ls", "Node"),
      )?.[1];
      const script = `timeout 60 pw-cat -p $XDG_DATA_HOME/silence.wav && echo played
timeout 60 pw-cat -r /tmp/r.wav 2>&1
timeout 60 pw-cli ls
timeout 60 pw-link speaker:monitor_MONO speaker:playback_MONO 2>&1
timeout 60 pw-metadata 0 default.audio.sink '{"name":"room"}' > /dev/null 2>&1
timeout 60 pw-cli set-param ${number} Props '{ mute: true }' 2>&1
timeout 60 pw-cli create-node adapter '{ factory.name=support.null-audio-sink node.name=evil media.class=Audio/Sink object.linger=1 }' 2>&1
timeout 60 pw-cli destroy ${number} 2>&1
echo end`;
      const said = await desktop.output(id, script);
      expect(said).toMatch(/^played\n/);
      expect(said).toContain("an app needs leave for microphone or monitor");
      expect(said).toContain('node.name = "speaker"');
      for (const name of ["room", "eye", "monitor_MONO", "WirePlumber", "Interface:Device"])
        expect(said).not.toContain(name);
      expect(said).toContain("failed to link ports");
      const after = look("pw-cli", "ls");
      expect(after).toContain('node.name = "speaker"');
      expect(after).not.toContain("evil");
      expect(look("pw-metadata", "0", "default.audio.sink")).not.toContain("room");
    },
  );

  test.skipIf(missing !== undefined)("leave to record is given, and taken back, while the app runs", async () => {
    const { pit } = desktop;
    const set = (answer: string) => pit.succeed(["permission-set", "devices", "microphone", id, answer]);
    const inside = (name: string) => pit.path("home/.var/app", id, "data", name);
    const running = desktop.run(id, recorder);
    await until("the refusals", () => existsSync(inside("ready")));
    set("yes");
    writeFileSync(inside("go"), "");
    await until("the recordings", () => existsSync(inside("recording")));
    // Before 1.2 PipeWire has no security contexts.
    const isKnown = look("pw-dump").includes(`"pipewire.sec.app-id": "${id}"`);
    expect(isKnown).toBe(version() !== installed);
    set("no");
    const { stdout } = await running.outcome;
    expect(stdout).toBe("own 1\npulse 1\nrecording\nown 1\npulse 1\nplayed\n");
  });

  test.skipIf(missing !== undefined)(
    "an app films by the portal for as long as it may, and sees no camera otherwise",
    async () => {
      const { pit } = desktop;
      const set = (answer: string) => pit.succeed(["permission-set", "devices", "camera", id, answer]);
      const why = () => pit.succeed(["why", id, "camera"]);
      expect(why()).toContain(`to allow it: dowel permission-set devices camera ${id} yes`);
      expect(await desktop.output(id, "camera portal")).toBe(refused);
      const direct = await desktop.output(id, "camera direct");
      expect(direct).not.toContain("eye");
      expect(direct).not.toContain("frames");
      set("yes");
      expect(why()).toStartWith(`${id} may use cameras\n`);
      const running = desktop.run(id, "camera portal > $XDG_DATA_HOME/said; echo $?");
      const file = pit.path("home/.var/app", id, "data/said");
      const said = () => readFileSync(file, "utf8");
      await until("frames", () => existsSync(file) && said().includes("frames"));
      set("no");
      const { stdout } = await running.outcome;
      expect(stdout).toBe("0\n");
      expect(said()).toMatch(/^access 0\nsees eye\n(sees camera\n)?frames\n(error .*\n)?ended/);
      expect(await desktop.output(id, "camera portal")).toBe(refused);
    },
  );

  test.skipIf(missing !== undefined)(
    "an app sees nothing more in the memory that it keeps of a camera which others use, when it may not",
    async () => {
      const { pit } = desktop;
      const set = (answer: string) => pit.succeed(["permission-set", "devices", "camera", id, answer]);
      const inside = (name: string) => pit.path("home/.var/app", id, "data", name);
      const [other, kept] = [pit.path("work/other"), inside("kept")];
      const lines = (file: string, word: string) =>
        existsSync(file)
          ? readFileSync(file, "utf8")
              .split("\n")
              .filter((line) => line === word).length
          : 0;
      const more = async (word: string) => {
        const before = lines(other, word);
        await until(`${word} for the other`, () => lines(other, word) > before + 1);
      };
      desktop.host(["sh", "-c", 'exec "$0" direct > "$1"', camera, other]);
      await more("frames");
      set("yes");
      const running = desktop.run(id, "camera keep > $XDG_DATA_HOME/kept; echo $?");
      await until("frames", () => lines(kept, "frames") > 0);
      const before = lines(other, "memory");
      expect(before).toBeGreaterThan(0);
      set("no");
      await until("the end", () => existsSync(kept) && readFileSync(kept, "utf8").includes("\nended"));
      await until("other memory for the other", () => lines(other, "memory") > before);
      await more("frames");
      writeFileSync(inside("first"), "");
      await until("a look", () => lines(kept, "looked") > 0);
      await more("frames");
      writeFileSync(inside("second"), "");
      expect((await running.outcome).stdout).toBe("0\n");
      expect(readFileSync(kept, "utf8")).toEndWith("looked\npictures stay\n");
    },
  );
});
