// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../../base/arch.ts";
import { knownOffers, knownRefs, knownRemotes } from "../../engine/known.ts";
import { runningInstances } from "../../engine/run/instances.ts";
import { type GrantList, knownNames } from "../../metadata/permissions/names.ts";
import type { RefKind } from "../../metadata/ref.ts";

/** Stand for files and folders, which a shell finds itself. Flatpak's scripts for shells know the same words. */
const files = "__FLATPAK_FILE";
const folders = "__FLATPAK_DIR";

type Provide = (before: readonly string[]) => readonly string[] | Promise<readonly string[]>;

function installed(kind?: RefKind): string[] {
  return knownRefs().flatMap((ref) => (kind === undefined || ref.kind === kind ? [ref.id] : []));
}

const namesOf =
  (list: GrantList): Provide =>
  () => [...knownNames[list]];

/** By what stands for a value in the help. What is not here cannot be known: texts, digests, new names. */
const providers: Readonly<Record<string, Provide>> = {
  APP: () => installed("app"),
  RUNTIME: () => installed("runtime"),
  REF: ([remote]) => (remote !== undefined && knownRemotes().includes(remote) ? knownOffers(remote) : installed()),
  "REMOTE|REF": ([remote]) => (remote === undefined ? [...knownRemotes(), files] : knownOffers(remote)),
  REMOTE: () => knownRemotes(),
  BRANCH: (before) => knownRefs().flatMap(({ id, branch }) => (before.includes(id) ? [branch] : [])),
  TABLE: () => ["background", "devices", "inhibit", "location", "notifications", "realtime", "timers", "usb"],
  INSTANCE: ([first]) =>
    first === undefined ? runningInstances().flatMap(({ instance, application }) => [instance, application]) : [files],
  ARCH: () => [hostArch()],
  SOCKET: namesOf("sockets"),
  DEVICE: namesOf("devices"),
  FEATURE: namesOf("features"),
  "network|ipc": namesOf("shared"),
  "PATH[:ro|:create]": () => ["home", "host", "host-os", "host-etc", files],
  WHAT: () => [...installed(), files],
  FILE: () => [files],
  PATH: () => [files],
  MANIFEST: () => [files],
  LOCATION: () => [files],
  FOLDER: () => [folders],
  MOUNT: () => [folders],
  "oci:FOLDER": () => ["oci:"],
  DIR: () => [folders],
};

/** What a value may be, sorted, each once. */
export async function possibleValues(placeholder: string, before: readonly string[]): Promise<string[]> {
  const values = (await providers[placeholder]?.(before)) ?? [];
  return [...new Set(values)].sort();
}
