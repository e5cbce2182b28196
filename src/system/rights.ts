// SPDX-License-Identifier: Apache-2.0
import type { SystemChange, TransactionChange } from "./change.ts";

/** Flatpak's names, so that what an administrator decided for it counts here, too. */
const prefix = "org.freedesktop.Flatpak";

function forTransaction({ accepted, direct, newRemotes }: TransactionChange, known: ReadonlySet<string>): string[] {
  const rights = accepted.map(({ operation, ref }) => `${ref.startsWith("app/") ? "app" : "runtime"}-${operation}`);
  const made = [...newRemotes, ...(direct === undefined ? [] : [direct.origin])];
  return made.some(({ name }) => !known.has(name)) ? [...rights, "configure-remote"] : rights;
}

function names(change: SystemChange, known: ReadonlySet<string>): readonly string[] {
  switch (change.kind) {
    case "transaction":
      return forTransaction(change, known);
    case "remote-add":
    case "remote-modify":
    case "remote-delete":
      return ["configure-remote"];
    case "config":
    case "patterns":
    case "make-current":
    case "preinstalled":
      return ["configure"];
    case "repair":
      return change.reinstallAll ? ["modify-repo", "app-update", "runtime-update"] : ["modify-repo"];
    case "switch":
      return [change.ref.startsWith("app/") ? "app-downgrade" : "runtime-downgrade"];
    case "appstream":
      return ["appstream-update"];
    case "mount":
      return [];
  }
}

/**
 * The polkit actions that a change needs, each once; none where everybody may. `known` are the names of the remotes that
 * the installation has.
 */
export function rightsFor(change: SystemChange, known: ReadonlySet<string>): readonly string[] {
  return [...new Set(names(change, known))].map((name) => `${prefix}.${name}`);
}
