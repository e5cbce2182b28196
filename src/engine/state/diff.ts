// SPDX-License-Identifier: Apache-2.0
import type { State, StatedRemote } from "./types.ts";

/** One thing that must change; `to` is absent for what goes, `from` for what comes. */
export type Change =
  | { readonly what: "remote"; readonly name: string; readonly from?: StatedRemote; readonly to?: StatedRemote }
  | {
      readonly what: "ref" | "pin" | "mask" | "override" | "config";
      readonly name: string;
      readonly from?: string;
      readonly to?: string;
    };

type Kind = Exclude<Change["what"], "remote">;

function compareMaps(
  what: Kind,
  current: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string> | undefined,
): Change[] {
  if (wanted === undefined) return [];
  const changed = [...wanted].flatMap(([name, to]): Change[] => {
    const from = current.get(name);
    if (from === to) return [];
    return [from === undefined ? { what, name, to } : { what, name, from, to }];
  });
  const gone = [...current].flatMap(([name, from]): Change[] => (wanted.has(name) ? [] : [{ what, name, from }]));
  return [...changed, ...gone];
}

function compareLists(what: Kind, current: readonly string[], wanted: readonly string[] | undefined): Change[] {
  const asMap = (list: readonly string[]) => new Map(list.map((name) => [name, name]));
  return compareMaps(what, asMap(current), wanted === undefined ? undefined : asMap(wanted));
}

function sameRemote(left: StatedRemote, right: StatedRemote): boolean {
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...keys].every((key) => left[key] === right[key]);
}

function compareRemotes(
  current: ReadonlyMap<string, StatedRemote>,
  wanted: ReadonlyMap<string, StatedRemote> | undefined,
): Change[] {
  if (wanted === undefined) return [];
  const changed = [...wanted].flatMap(([name, to]): Change[] => {
    const from = current.get(name);
    if (from === undefined) return [{ what: "remote", name, to }];
    return sameRemote(from, to) ? [] : [{ what: "remote", name, from, to }];
  });
  const gone = [...current].flatMap(([name, from]): Change[] =>
    wanted.has(name) ? [] : [{ what: "remote", name, from }],
  );
  return [...changed, ...gone];
}

/**
 * What must change so that an installation is as a state says, in the order in which it is done. Runtimes are not removed:
 * they go when nothing uses them. A ref that is installed from another remote than the state says moves.
 */
export function diffStates(current: Required<State>, wanted: State): readonly Change[] {
  const refs = compareMaps("ref", current.refs, wanted.refs).filter(
    ({ name, to }) => to !== undefined || name.startsWith("app/"),
  );
  return [
    ...compareMaps("config", current.config, wanted.config),
    ...compareRemotes(current.remotes, wanted.remotes),
    ...compareLists("mask", current.masks, wanted.masks),
    ...compareLists("pin", current.pins, wanted.pins),
    ...compareMaps("override", current.overrides, wanted.overrides),
    ...refs,
  ];
}

/** A change as one line: `+`, `-` or `~`, what it is about, and its name. */
export function describeChange(change: Change): string {
  const { what, name, from, to } = change;
  const sign = from === undefined ? "+" : to === undefined ? "-" : "~";
  if (change.what === "remote") return `${sign} remote ${name}${remoteDetail(change)}`;
  if (what === "config") return `${sign} config ${name}: ${from ?? "*unset*"} -> ${to ?? "*unset*"}`;
  if (what === "ref" && to !== undefined)
    return `${sign} ${name} from ${to}${from === undefined ? "" : `, not ${from}`}`;
  return what === "ref" ? `${sign} ${name}` : `${sign} ${what} ${name}`;
}

function remoteDetail({ from, to }: Extract<Change, { what: "remote" }>): string {
  if (to === undefined) return "";
  if (from === undefined) return ` ${to["url"]}`;
  const keys = new Set([...Object.keys(from), ...Object.keys(to)]);
  return `: ${[...keys].filter((key) => from[key] !== to[key]).join(", ")}`;
}
