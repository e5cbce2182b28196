// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { changeOverrides, resetOverrides } from "../../metadata/overrides.ts";
import { readPermissions } from "../../metadata/permissions/codec.ts";
import { formatRef, parseRef } from "../../metadata/ref.ts";
import { addRemote, deleteRemote, getRemote, modifyRemote } from "../../remotes/config.ts";
import type { RemoteSettings } from "../../remotes/settings.ts";
import { activeDeployment } from "../../store/deployments.ts";
import type { Installation } from "../../store/installation.ts";
import { changeSetting } from "../../store/settings.ts";
import { setConfig } from "../config.ts";
import { type GatherOptions, planRequests } from "../gather.ts";
import { offersFor } from "../offers.ts";
import { offeredRef, type Request } from "../resolve/facts.ts";
import type { Plan } from "../types.ts";
import type { Change } from "./diff.ts";
import { requestMoves } from "./moves.ts";
import { remoteKeys, type StatedRemote } from "./types.ts";

type RemoteChange = Extract<Change, { what: "remote" }>;

/** Settings of a stated remote; keys that it does not have are taken away. Throws `SCHEMA` where its place is missing. */
export function settingsOfStated(name: string, stated: StatedRemote): RemoteSettings & { readonly url: string } {
  const pairs = Object.entries(remoteKeys).map(([key, setting]) => [setting, stated[key] ?? ""]);
  const settings: RemoteSettings = Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
  const { url = "" } = settings;
  if (url === "") throw new DowelError("SCHEMA", `remote ${name}: the key url is missing`);
  return { ...settings, url };
}

async function applyRemote(installation: Installation, { name, from, to }: RemoteChange, signal?: AbortSignal) {
  if (to === undefined) return;
  const settings = settingsOfStated(name, to);
  if (from === undefined) await addRemote(installation, name, settings, { signal });
  else await modifyRemote(installation, name, settings, signal);
}

async function applyOne(installation: Installation, change: Change, signal?: AbortSignal): Promise<void> {
  const { what, name, to } = change;
  if (change.what === "remote") await applyRemote(installation, change, signal);
  if (what === "config") await setConfig(installation, name, change.to, signal);
  if (what === "pin" || what === "mask") {
    const list = what === "pin" ? "pinned" : "masked";
    const without = (present: readonly string[] = []): readonly string[] => present.filter((one) => one !== name);
    await changeSetting(
      installation,
      list,
      (now) => (to === undefined ? without(now) : [...without(now), name]),
      signal,
    );
  }
  if (change.what === "override") {
    const id = name === "global" ? undefined : name;
    const text = change.to;
    if (text === undefined) await resetOverrides(installation.path, id, signal);
    else await changeOverrides(installation.path, id, () => readPermissions(parseKeyfile(text, name)), signal);
  }
}

/** Makes all changes but those of what is installed, and without removing remotes, which may still be in use. */
export async function applySettings(
  installation: Installation,
  changes: readonly Change[],
  signal?: AbortSignal,
): Promise<void> {
  for (const change of changes) await applyOne(installation, change, signal);
}

/** Removes the remotes that go, when nothing is installed from them any more. Throws `REMOTE_USED`. */
export async function dropRemotes(
  installation: Installation,
  changes: readonly Change[],
  signal?: AbortSignal,
): Promise<void> {
  for (const { what, name, to } of changes) {
    if (what === "remote" && to === undefined) await deleteRemote(installation, name, { signal });
  }
}

/**
 * Throws `REMOTE_NOT_FOUND` where something is to come from a remote that will not be there: the state after the changes
 * has those of the file, or where it names none, those that are there.
 */
export function checkOrigins(remotes: ReadonlyMap<string, unknown>, changes: readonly Change[]): void {
  for (const { what, name, to } of changes) {
    if (what !== "ref" || typeof to !== "string" || remotes.has(to)) continue;
    throw new DowelError("REMOTE_NOT_FOUND", `${name} is to come from ${to}, but there is no such remote`, {
      hint: "Name the remote in the file, too.",
    });
  }
}

/** Plans the installs, moves to other remotes and removals among some changes. Throws `REMOTE_NOT_FOUND`, `REF_NOT_FOUND` and what `resolve` throws. */
export async function prepareRefs(
  installation: Installation,
  changes: readonly Change[],
  options: GatherOptions & { readonly declined?: ReadonlySet<string> },
): Promise<Plan> {
  const offers = offersFor(installation, options);
  const requests: Request[] = [];
  for (const change of changes) {
    if (change.what !== "ref") continue;
    const ref = parseRef(change.name);
    if (change.to === undefined) {
      const deployment = activeDeployment(installation, ref);
      if (deployment !== undefined) requests.push({ kind: "uninstall", deployment });
      continue;
    }
    const remote = getRemote(installation, change.to);
    const image = offeredRef(await offers.of(remote, ref.arch), formatRef(ref));
    if (image === undefined) {
      throw new DowelError("REF_NOT_FOUND", `The remote ${remote.name} does not have ${change.name}`);
    }
    requests.push({ kind: "install", candidate: { image, origin: remote.name, newRemote: undefined } });
  }
  requests.push(...(await requestMoves(installation, changes, offers)));
  const how = { ...options, noAutoPin: true, reinstall: true };
  return await planRequests(installation, requests, how, { offers });
}
