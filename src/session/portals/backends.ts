// SPDX-License-Identifier: Apache-2.0
import type { Decoder, JsonObject } from "../../base/decode.ts";

/** Commands of a device's maker that portals call; each gets one JSON object on its standard input. */
const commandNames = ["ask", "email", "notify", "open"] as const;
export type CommandName = (typeof commandNames)[number];

/** Who serves an interface: the desktop's portal where it can (`auto`), Dowel, the desktop alone, or nobody. */
export type ServedBy = "auto" | "dowel" | "desktop" | "off";
const servedBy: readonly ServedBy[] = ["auto", "dowel", "desktop", "off"];

/** What the maker of a device says of its portals. */
export interface Backends {
  readonly interfaces: ReadonlyMap<string, ServedBy>;
  /** A program with its words, by what it does. */
  readonly commands: ReadonlyMap<CommandName, readonly string[]>;
  /** Proxies for every address, in order, as `ProxyResolver` answers them; undefined: as the environment says. */
  readonly proxies: readonly string[] | undefined;
}

export const noBackends: Backends = { interfaces: new Map(), commands: new Map(), proxies: undefined };

/** Reads the keys of a portal policy that are about backends. Throws `POLICY_INVALID`. */
export function parseBackends(decoder: Decoder, top: JsonObject): Backends {
  const interfaces = new Map<string, ServedBy>();
  for (const [name, value] of Object.entries(decoder.object(top["interfaces"] ?? {}, "interfaces"))) {
    const found = servedBy.find((one) => one === value);
    interfaces.set(name, found ?? decoder.fail(`interfaces.${name}`, servedBy.join(", ")));
  }
  const commands = new Map<CommandName, readonly string[]>();
  for (const [key, value] of Object.entries(decoder.object(top["commands"] ?? {}, "commands"))) {
    const name = commandNames.find((one) => one === key) ?? decoder.fail(`commands.${key}`, commandNames.join(", "));
    const words = decoder.array(value, `commands.${key}`);
    if (words.length === 0) decoder.fail(`commands.${key}`, "a program and its words");
    commands.set(
      name,
      words.map((word, index) => decoder.string(word, `commands.${key}.${index}`)),
    );
  }
  const proxies = decoder.optional(top["proxies"], (value) =>
    decoder.array(value, "proxies").map((one, index) => decoder.string(one, `proxies.${index}`)),
  );
  return { interfaces, commands, proxies };
}
