// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { compareBytes } from "../../base/text.ts";

/** What one layer of permissions says about one name. */
export interface Grant {
  /** Given whatever the conditions say. */
  readonly allowed: boolean;
  /** Forgets what the layers below say. */
  readonly reset: boolean;
  /** Given where one of these holds; each may start with `!`. Sorted, without repeats. */
  readonly conditions: readonly string[];
}

export type Grants = ReadonlyMap<string, Grant>;

interface Draft {
  allowed: boolean;
  denied: boolean;
  conditions: string[];
}

function sortedSet(values: Iterable<string>): string[] {
  return [...new Set(values)].sort(compareBytes);
}

function syntaxError(item: string): DowelError {
  return new DowelError("PERMISSION_INVALID", `Invalid permission ${JSON.stringify(item)}`, {
    hint: "Expected NAME, !NAME or if:NAME:CONDITION.",
  });
}

/** Splits `if:NAME:CONDITION`, `NAME` or `!NAME`. Throws `PERMISSION_INVALID`. */
function parseItem(item: string): { name: string; denied: boolean; condition: string | undefined } {
  const denied = item.startsWith("!");
  const [name = "", second, third, ...rest] = item.slice(denied ? 1 : 0).split(":");
  if (name === "if") {
    if (denied || !second || !third || rest.length > 0) throw syntaxError(item);
    return { name: second, denied, condition: third };
  }
  if (name === "" || second !== undefined) throw syntaxError(item);
  return { name, denied, condition: undefined };
}

/**
 * Reads one list of `[Context]`. A bare `NAME` before `if:NAME:…` is only there for old versions of Flatpak and
 * means nothing; unknown names are left out. Throws `PERMISSION_INVALID`.
 */
export function parseGrants(items: readonly string[], known: ReadonlySet<string>): Grants {
  const drafts = new Map<string, Draft>();
  for (const item of items) {
    const { name, denied, condition } = parseItem(item);
    if (!known.has(name)) continue;
    const draft = drafts.get(name) ?? { allowed: false, denied: false, conditions: [] };
    drafts.set(name, draft);
    if (condition !== undefined) {
      draft.allowed = false;
      draft.conditions.push(condition);
    } else if (denied) {
      Object.assign(draft, { allowed: false, denied: true, conditions: [] });
    } else draft.allowed = true;
  }
  return new Map(
    [...drafts].map(([name, { allowed, denied, conditions }]) => [
      name,
      { allowed, reset: allowed || denied, conditions: allowed ? [] : sortedSet(conditions) },
    ]),
  );
}

/** Writes one list of `[Context]`, sorted; the inverse of `parseGrants`. */
export function formatGrants(grants: Grants): string[] {
  const items: string[] = [];
  for (const name of [...grants.keys()].sort(compareBytes)) {
    const { allowed, reset, conditions } = grants.get(name) ?? noGrant;
    if (!allowed && reset) items.push(`!${name}`);
    if (allowed || conditions.length > 0) items.push(name);
    if (!allowed) items.push(...conditions.map((condition) => `if:${name}:${condition}`));
  }
  return items;
}

const noGrant: Grant = { allowed: false, reset: false, conditions: [] };

function mergeGrant(lower: Grant, upper: Grant): Grant {
  const kept = upper.reset ? [] : lower.conditions;
  const reset = lower.reset || upper.reset;
  if (upper.allowed) return { allowed: true, reset, conditions: [] };
  return { allowed: false, reset, conditions: sortedSet([...kept, ...upper.conditions]) };
}

/** Puts an upper layer over a lower one. */
export function mergeGrants(lower: Grants, upper: Grants): Grants {
  const merged = new Map(lower);
  for (const [name, grant] of upper) merged.set(name, mergeGrant(merged.get(name) ?? noGrant, grant));
  return merged;
}

/** Whether a condition holds; a name that this version does not know never does, negated or not. */
export type Conditions = (name: string) => boolean | undefined;

export function isGranted(grants: Grants, name: string, conditions: Conditions): boolean {
  const grant = grants.get(name) ?? noGrant;
  if (grant.allowed) return true;
  return grant.conditions.some((condition) => {
    const negated = condition.startsWith("!");
    const value = conditions(negated ? condition.slice(1) : condition);
    return value !== undefined && value !== negated;
  });
}
