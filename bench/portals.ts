// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, RawPeer, startBus } from "../tests/support/bus.ts";
import { installBoth } from "./installed.ts";
import type { Line } from "./measure.ts";
import { appId, dowelCommand, environment, flatpakCommand } from "./places.ts";

const desktopName = "org.freedesktop.portal.Desktop";
const flatpakName = "org.freedesktop.portal.Flatpak";
const backendName = "org.freedesktop.impl.portal.desktop.bench";
const rounds = 7;
/** As in a session (systemd's DefaultLimitNOFILE): GLib's spawn touches every number below the limit, open or not. */
const asInSession = ["prlimit", "--nofile=1024:"] as const;

interface Scenario {
  readonly what: string;
  /** Words of bus-peer behind the socket. */
  readonly words: readonly string[];
  /** Behind `bus-peer`. */
  readonly mode: "portal" | "spawn";
  readonly budget: number;
}

const scenarios: readonly Scenario[] = [
  {
    what: "portal call, NetworkMonitor.GetAvailable",
    mode: "portal",
    words: ["org.freedesktop.portal.NetworkMonitor", "GetAvailable", "1500"],
    budget: 0.7,
  },
  {
    what: "portal call, Settings.Read",
    mode: "portal",
    words: ["org.freedesktop.portal.Settings", "Read", "1500", "org.freedesktop.appearance", "color-scheme"],
    budget: 0.7,
  },
  { what: "Spawn of true, to its end", mode: "spawn", words: ["8"], budget: 0.25 },
];

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** What the app of a peer prints that runs the program. */
function measure(command: ReturnType<typeof dowelCommand>, bus: string): number {
  const [program, ...words] = [...asInSession, ...command.words];
  const { status, stdout, stderr } = spawnSync(program, words, {
    env: { ...process.env, ...command.environment, DBUS_SESSION_BUS_ADDRESS: bus },
    encoding: "utf8",
    timeout: 300_000,
  });
  if (status !== 0) throw new Error(`${command.words.join(" ")} ended with ${status}: ${stdout}${stderr}`);
  return Number(stdout);
}

/** The distribution's portals on a bus, with a backend that tells how things look. */
async function startPortals(bus: { readonly address: string; readonly socket: string }, folder: string) {
  const stack = new AsyncDisposableStack();
  const portals = join(folder, "portals");
  mkdirSync(portals);
  const impl = "org.freedesktop.impl.portal.Settings";
  writeFileSync(join(portals, "bench.portal"), `[portal]\nDBusName=${backendName}\nInterfaces=${impl};\nUseIn=bench\n`);
  const backend = stack.use(
    new Child(["/usr/bin/python3", "bench/settings-backend.py", backendName], ["ignore", "pipe", "inherit"], {
      PATH: process.env["PATH"] ?? "",
      DBUS_SESSION_BUS_ADDRESS: bus.address,
    }),
  );
  await Promise.race([once(backend.process.stdout ?? backend.process, "data"), backend.exit]);
  const variables = {
    PATH: process.env["PATH"] ?? "",
    ...environment,
    DBUS_SESSION_BUS_ADDRESS: bus.address,
    XDG_DESKTOP_PORTAL_DIR: portals,
    XDG_CURRENT_DESKTOP: "bench",
    GSETTINGS_BACKEND: "memory",
  };
  const watcher = stack.use(await RawPeer.connect(bus.socket));
  for (const [program, name] of [
    ["xdg-permission-store", "org.freedesktop.impl.portal.PermissionStore"],
    ["xdg-desktop-portal", desktopName],
    ["flatpak-portal", flatpakName],
  ] as const) {
    stack.use(new Child([...asInSession, `/usr/libexec/${program}`], ["ignore", "ignore", "ignore"], variables));
    while ((await watcher.callBus("NameHasOwner", name)).values[0] !== 1) await Bun.sleep(5);
  }
  return stack;
}

/** Portals that the session service answers itself beside those of the desktop, from within sandboxes, in turn. */
export async function benchPortals(): Promise<Line[]> {
  await installBoth();
  const folder = mkdtempSync(join(tmpdir(), "dowel-bench-portals-"));
  try {
    const [mine, theirs] = [join(folder, "mine"), join(folder, "theirs")];
    for (const name of [mine, theirs]) mkdirSync(name);
    await using dowelBus = await startBus(mine);
    await using flatpakBus = await startBus(theirs);
    await using _portals = await startPortals(flatpakBus, theirs);
    const program = join(environment["HOME"] ?? "", "bus-peer");
    execFileSync("gcc", ["-O2", "-static", "-o", program, "bench/bus-peer.c"]);
    return scenarios.map(({ what, mode, words, budget }): Line => {
      const run = ["run", `--command=${program}`, appId, mode, "/run/flatpak/bus", ...words];
      const samples: [number[], number[]] = [[], []];
      for (let round = -1; round < rounds; round++) {
        const found = [
          measure(dowelCommand(...run), dowelBus.address),
          measure(flatpakCommand(...run), flatpakBus.address),
        ] as const;
        if (round < 0) continue;
        samples[0].push(found[0]);
        samples[1].push(found[1]);
      }
      const [own, peer] = samples.map(median) as [number, number];
      const ratio = own / peer;
      const name = mode === "spawn" ? "flatpak-portal" : "xdg-desktop-portal";
      return {
        what,
        dowel: `${own.toFixed(0)} us`,
        peer: `${name} ${peer.toFixed(0)} us`,
        ratio,
        budget: `<= ${budget} of it`,
        kept: ratio <= budget,
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
