// SPDX-License-Identifier: Apache-2.0
import { installBoth } from "./installed.ts";
import { type Line, limit, measureInTurn } from "./measure.ts";
import { dowelCommand, flatpakCommand } from "./places.ts";

export async function benchCli(): Promise<Line[]> {
  await installBoth();
  const commands = [
    dowelCommand("--version"),
    flatpakCommand("--version"),
    dowelCommand("list"),
    flatpakCommand("list"),
    dowelCommand("install", "--help"),
  ];
  const [version, peerVersion, list, peerList, help] = measureInTurn(commands, 15);
  if (!version || !peerVersion || !list || !peerList || !help) throw new Error("unreachable");
  return [
    { ...limit("dowel --version", version.wall, "ms", 3), peer: `flatpak ${peerVersion.wall.toFixed(1)} ms` },
    { ...limit("dowel list", list.wall, "ms", 60), peer: `flatpak ${peerList.wall.toFixed(1)} ms` },
    limit("dowel install --help", help.wall, "ms", 60),
  ];
}
