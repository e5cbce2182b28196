// SPDX-License-Identifier: Apache-2.0
import type { Message } from "./message.ts";
import type { BusPeer } from "./peer.ts";

/** Which signals are wanted ("Match Rules" of the D-Bus specification). */
export interface Rule {
  readonly sender?: string;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly arg0?: string;
}

export type SignalHandler = (signal: Message) => void;

interface Listening {
  readonly rule: Rule;
  readonly handler: SignalHandler;
  /** The unique name of a well-known sender; undefined where the rule names none. */
  owner: string | undefined;
}

const keys = ["sender", "path", "interface", "member", "arg0"] as const;

function quote(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** The rule as the bus takes it. */
export function ruleText(rule: Rule): string {
  const pairs = keys.flatMap((key) => (rule[key] === undefined ? [] : [`${key}=${quote(rule[key])}`]));
  return ["type='signal'", ...pairs].join(",");
}

function fits({ rule, owner }: Listening, signal: Message): boolean {
  return (
    (owner === undefined || owner === signal.sender) &&
    (rule.path === undefined || rule.path === signal.path) &&
    (rule.interface === undefined || rule.interface === signal.interface) &&
    (rule.member === undefined || rule.member === signal.member) &&
    (rule.arg0 === undefined || rule.arg0 === signal.values?.[0])
  );
}

/** What a peer listens to. A signal that the bus sends because of one rule is held against all of them again. */
export class Rules {
  readonly #peer: BusPeer;
  readonly #listening = new Set<Listening>();

  constructor(peer: BusPeer) {
    this.#peer = peer;
  }

  async add(rule: Rule, handler: SignalHandler): Promise<Disposable> {
    const { sender } = rule;
    const followed = sender !== undefined && !sender.startsWith(":") && sender !== "org.freedesktop.DBus";
    const listening: Listening = { rule, handler, owner: followed ? "" : sender };
    const watching = followed
      ? await this.#peer.watchOwner(sender, (owner) => {
          listening.owner = owner;
        })
      : undefined;
    if (followed) listening.owner = await this.#peer.ownerOf(sender);
    this.#listening.add(listening);
    await this.#peer.changeRule("AddMatch", rule);
    return {
      [Symbol.dispose]: () => {
        if (!this.#listening.delete(listening)) return;
        watching?.[Symbol.dispose]();
        // A connection that has ended has no rules.
        this.#peer.changeRule("RemoveMatch", rule).catch(() => undefined);
      },
    };
  }

  heard(signal: Message): void {
    for (const listening of [...this.#listening]) if (fits(listening, signal)) listening.handler(signal);
  }
}
