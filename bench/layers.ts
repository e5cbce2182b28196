// SPDX-License-Identifier: Apache-2.0
import { rmSync } from "node:fs";
import { join } from "node:path";
import { compare, type Line, limit, measureInTurn } from "./measure.ts";
import { buildWords, dowelCommand, flatpakCommand, prepareRuntime, runtimeBranch, runtimeId, work } from "./places.ts";

export async function benchLayers(): Promise<Line[]> {
  const { repository } = prepareRuntime();
  const layout = join(work, "written");
  const bundle = join(work, "bundle");
  const before = () => {
    rmSync(layout, { recursive: true, force: true });
    rmSync(bundle, { recursive: true, force: true });
  };
  const mine = dowelCommand(...buildWords("bench/runtime.yml", layout));
  const peer = flatpakCommand("build-bundle", "--oci", "--runtime", repository, bundle, runtimeId, runtimeBranch);
  const [written] = measureInTurn([{ ...mine, before, withPeak: true }], 3, false);
  const [bundled] = measureInTurn([{ ...peer, before }], 1, false);
  before();
  if (!written || !bundled) throw new Error("unreachable");
  return [
    compare("write the image (packages are there)", written, "flatpak build-bundle", bundled, 0.15),
    limit("write the image: peak memory", written.peak, "MiB", 512),
  ];
}
