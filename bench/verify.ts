// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { removeInstallations } from "./installed.ts";
import { compare, execute, type Line, measureInTurn } from "./measure.ts";
import { dowelCommand, dowelFolder, prepareRuntime } from "./places.ts";

/** `verify` of a runtime beside sha256sum(1) over the same files, on as many processors. */
export async function benchVerify(): Promise<Line[]> {
  const { layout } = prepareRuntime();
  removeInstallations();
  execute(dowelCommand("install", "--system", "-y", `oci:${layout}`));
  const script = 'find "$1" -type f -print0 | xargs -0 -P2 -n200 sha256sum';
  const [mine, peer] = measureInTurn(
    [
      dowelCommand("verify", "--system", "--offline"),
      { words: ["sh", "-c", script, "sh", join(dowelFolder, "objects")] },
    ],
    5,
  );
  removeInstallations();
  if (!mine || !peer) throw new Error("unreachable");
  return [compare("verify an installed runtime", mine, "sha256sum", peer, 1.2)];
}
