// SPDX-License-Identifier: Apache-2.0
import { formatRef, type Ref } from "../../metadata/ref.ts";
import { listRemotes } from "../../remotes/config.ts";
import type { Installation } from "../../store/installation.ts";
import type { Deployment } from "../../store/types.ts";
import { dependentsOf } from "../dependents.ts";
import type { Offers } from "../offers.ts";
import { offeredRef, type Request } from "../resolve/facts.ts";
import type { Change } from "./diff.ts";

/** Runtimes and extensions that stay in use though the remote they came from goes. */
function leftBehind(installation: Installation, changes: readonly Change[], gone: ReadonlySet<string>): Deployment[] {
  const changed = new Set(changes.flatMap(({ what, name }) => (what === "ref" ? [name] : [])));
  const going = new Set(changes.flatMap(({ what, name, to }) => (what === "ref" && to === undefined ? [name] : [])));
  const installed = dependentsOf(installation).filter(({ deployment }) => !going.has(formatRef(deployment.ref)));
  const names = (refs: readonly (Ref | undefined)[]): string[] =>
    refs.flatMap((ref) => (ref === undefined ? [] : [formatRef(ref)]));
  const apps = installed.filter(({ deployment }) => deployment.ref.kind === "app");
  const used = new Set([
    ...names(apps.map(({ deployment }) => deployment.ref)),
    ...names(apps.map(({ runtime }) => runtime)),
  ]);
  return installed.flatMap(({ deployment, extensionOf }) => {
    const { ref, origin } = deployment;
    const [name, whole] = [formatRef(ref), extensionOf === undefined ? "" : formatRef(extensionOf)];
    if (ref.kind !== "runtime" || changed.has(name) || !gone.has(origin)) return [];
    return used.has(name) || used.has(whole) ? [deployment] : [];
  });
}

/**
 * Requests that take what stays in use of the remotes that go from another one: the first by priority that stays and has
 * it. What none has keeps its remote there.
 */
export async function requestMoves(
  installation: Installation,
  changes: readonly Change[],
  offers: Offers,
): Promise<readonly Request[]> {
  const gone = new Set(changes.flatMap(({ what, name, to }) => (what === "remote" && to === undefined ? [name] : [])));
  if (gone.size === 0) return [];
  const remotes = listRemotes(installation).filter(({ name, disabled }) => !gone.has(name) && !disabled);
  const requests: Request[] = [];
  for (const { ref } of leftBehind(installation, changes, gone)) {
    for (const remote of remotes) {
      const image = offeredRef(await offers.of(remote, ref.arch), formatRef(ref));
      if (image === undefined) continue;
      requests.push({ kind: "install", candidate: { image, origin: remote.name, newRemote: undefined } });
      break;
    }
  }
  return requests;
}
