// SPDX-License-Identifier: Apache-2.0
import type { MessageHeader } from "../../formats/dbus/header.ts";

/** What a client may do with a name, weakest first; each includes the ones before. */
export const level = { none: 0, see: 1, talk: 2, own: 3 } as const;

/** A `[METHOD][@PATH]` of `--call` and `--broadcast`; "" stands for anything. */
interface Rule {
  readonly interface: string;
  readonly member: string;
  readonly path: string;
  /** Also everything below the path. */
  readonly subtree: boolean;
}

const anything: Rule = { interface: "", member: "", path: "", subtree: true };

interface Entry {
  level: number;
  readonly calls: Rule[];
  readonly broadcasts: Rule[];
}

const talk: Entry = { level: level.talk, calls: [anything], broadcasts: [anything] };

/** Method: empty or `*`, `INTERFACE.*`, `INTERFACE.MEMBER`, or an interface of one part; path: exact, or `PATH/*`. */
function parseRule(text: string): Rule {
  const at = text.indexOf("@");
  const method = at < 0 ? text : text.slice(0, at);
  const path = at < 0 ? "/*" : text.slice(at + 1);
  const subtree = path.endsWith("/*");
  const where = { path: subtree ? path.slice(0, -2) : path, subtree };
  if (method === "" || method.startsWith("*")) return { interface: "", member: "", ...where };
  const dot = method.lastIndexOf(".");
  if (dot < 0) return { interface: method, member: "", ...where };
  const member = method.slice(dot + 1);
  return { interface: method.slice(0, dot), member: member === "*" ? "" : member, ...where };
}

function matches(rule: Rule, header: MessageHeader): boolean {
  if (rule.interface !== "" && rule.interface !== header.interface) return false;
  if (rule.member !== "" && rule.member !== header.member) return false;
  if (header.path === rule.path) return true;
  return rule.subtree && header.path.startsWith(rule.path) && header.path.charAt(rule.path.length) === "/";
}

/**
 * What a sandbox may see, talk to and own on a bus, with the meaning of xdg-dbus-proxy's options: `NAME.*` holds for
 * NAME and all names below it, and rules for calls or broadcasts also let the name be seen.
 */
export class BusPolicy {
  #exact = new Map<string, Entry>();
  #below = new Map<string, Entry>();
  /** Names that somebody is asked about, and those of them that were granted. */
  #asked = new Set<string>();
  readonly #granted = new Set<string>();

  /** Becomes the same as another, also for those who look at it already. */
  replaceBy(other: BusPolicy): void {
    this.#exact = other.#exact;
    this.#below = other.#below;
    this.#asked = other.#asked;
    this.#granted.clear();
  }

  #entry(pattern: string): Entry {
    const wild = pattern.endsWith(".*");
    const name = wild ? pattern.slice(0, -2) : pattern;
    const map = wild ? this.#below : this.#exact;
    const entry = map.get(name) ?? { level: level.none, calls: [], broadcasts: [] };
    map.set(name, entry);
    return entry;
  }

  /** Raises the level of a name or `NAME.*`; `talk` and `own` bring all calls and broadcasts. */
  allow(pattern: string, to: number): void {
    const entry = this.#entry(pattern);
    entry.level = Math.max(entry.level, to);
    if (to < level.talk) return;
    entry.calls.push(anything);
    entry.broadcasts.push(anything);
  }

  /** The name is seen, and whether it may be talked to is a question. */
  askFor(name: string): void {
    this.allow(name, level.see);
    this.#asked.add(name);
  }

  /** Whether somebody is to be asked before a name is talked to. */
  asks(name: string): boolean {
    return this.#asked.has(name) && !this.#granted.has(name) && this.levelOf(name) < level.talk;
  }

  /** The answer was yes. */
  grant(name: string): void {
    if (this.#asked.has(name)) this.#granted.add(name);
  }

  /** An answer no longer counts; without a name none does. */
  revoke(name?: string): void {
    if (name === undefined) this.#granted.clear();
    else this.#granted.delete(name);
  }

  allowCalls(pattern: string, rule: string): void {
    const entry = this.#entry(pattern);
    entry.level = Math.max(entry.level, level.talk);
    entry.calls.push(parseRule(rule));
  }

  allowBroadcasts(pattern: string, rule: string): void {
    const entry = this.#entry(pattern);
    entry.level = Math.max(entry.level, level.talk);
    entry.broadcasts.push(parseRule(rule));
  }

  /** Names whose owners matter, and names for which those of all names below do too. */
  get exactNames(): readonly string[] {
    return [...this.#exact.keys()];
  }

  get namespaces(): readonly string[] {
    return [...this.#below.keys()];
  }

  #some(name: string, accept: (entry: Entry) => boolean): boolean {
    if (this.#granted.has(name) && accept(talk)) return true;
    const exact = this.#exact.get(name);
    if (exact !== undefined && accept(exact)) return true;
    for (let end = name.length; end > 0; end = name.lastIndexOf(".", end - 1)) {
      const below = this.#below.get(name.slice(0, end));
      if (below !== undefined && accept(below)) return true;
    }
    return false;
  }

  levelOf(name: string): number {
    let result: number = level.none;
    this.#some(name, (entry) => {
      result = Math.max(result, entry.level);
      return false;
    });
    return result;
  }

  allowsCall(name: string, header: MessageHeader): boolean {
    return this.#some(name, (entry) => entry.calls.some((rule) => matches(rule, header)));
  }

  allowsBroadcast(name: string, header: MessageHeader): boolean {
    return this.#some(name, (entry) => entry.broadcasts.some((rule) => matches(rule, header)));
  }
}
