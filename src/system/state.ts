// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { settingsOfStated } from "../engine/state/apply.ts";
import type { Change } from "../engine/state/diff.ts";
import type { PlainChange } from "./change.ts";

function toPlain(change: Change): readonly PlainChange[] {
  const { what, name, to } = change;
  switch (what) {
    case "remote": {
      if (change.to === undefined) return [];
      const settings = settingsOfStated(name, change.to);
      const rest = { name, settings, verify: undefined };
      if (change.from !== undefined) return [{ kind: "remote-modify", ...rest }];
      return [{ kind: "remote-add", ...rest, ifNotExists: false, gpgKey: undefined }];
    }
    case "config":
      return [{ kind: "config", key: name, value: change.to }];
    case "pin":
    case "mask": {
      const list = what === "pin" ? "pinned" : "masked";
      return [{ kind: "patterns", list, patterns: [name], remove: to === undefined }];
    }
    case "override":
      throw new DowelError("NOT_PERMITTED", `override ${name}: what apps of all users may do, only root changes`, {
        hint: "Run it as root, leave the overrides out, or use --user.",
      });
    case "ref":
      return [];
  }
}

/**
 * What `applySettings` does, as changes that the system service can be asked for. Throws `NOT_PERMITTED` for overrides,
 * which it does not change.
 */
export function settingsAsChanges(changes: readonly Change[]): readonly PlainChange[] {
  return changes.flatMap(toPlain);
}

/** What `dropRemotes` does, in the same way. */
export function droppedRemotesAsChanges(changes: readonly Change[]): readonly PlainChange[] {
  return changes.flatMap(({ what, name, to }) =>
    what === "remote" && to === undefined ? [{ kind: "remote-delete", name, force: false }] : [],
  );
}
