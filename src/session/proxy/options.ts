// SPDX-License-Identifier: Apache-2.0
import { readSync } from "node:fs";
import { DowelError, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type BusSocket, parseBusAddress } from "../../formats/dbus/address.ts";
import { isWellKnownName } from "../../formats/dbus/names.ts";
import { BusPolicy, level } from "../bus/policy.ts";

/** What the clients of one socket may do, and what is told of it. */
export interface SocketRules {
  readonly policy: BusPolicy;
  filter: boolean;
  log: boolean;
  sloppyNames: boolean;
}

/** One socket that the proxy serves. */
export interface ProxySpec extends SocketRules {
  readonly upstream: readonly BusSocket[];
  readonly path: string;
}

export function noRules(): SocketRules {
  return { policy: new BusPolicy(), filter: false, log: false, sloppyNames: false };
}

export interface ProxyOptions {
  readonly proxies: readonly ProxySpec[];
  /** A descriptor that gets one byte when all sockets listen, and whose other end keeps the proxy alive. */
  readonly syncFd: number | undefined;
}

/** How deep `--args` may lead to another `--args`. */
const argsDepth = 8;

function usage(message: string): DowelError {
  return new DowelError("USAGE", message, { hint: "See 'dowel plumbing bus-proxy --help'" });
}

function descriptor(option: string, value: string): number {
  if (!/^[0-9]{1,9}$/.test(value)) throw usage(`${option}=${value}: there must be the number of a descriptor`);
  return Number(value);
}

/** Puts the NUL-separated words behind each `--args=FD` in its place. */
function expand(words: readonly string[], depth = 0): string[] {
  return words.flatMap((word) => {
    if (!word.startsWith("--args=")) return [word];
    if (depth === argsDepth) throw usage(`${word}: --args leads to --args more than ${argsDepth} times`);
    const fd = descriptor("--args", word.slice("--args=".length));
    return expand(readWords(fd), depth + 1);
  });
}

/** To its end, which need not come: it is no descriptor of ours. */
function readBounded(fd: number): string {
  const bytes = Buffer.alloc(limits.keyfileBytes + 1);
  let length = 0;
  try {
    for (let count = -1; count !== 0; length += count) count = readSync(fd, bytes, length, bytes.length - length, null);
  } catch (error) {
    throw fileError(error, "read words from", `descriptor ${fd}`);
  }
  if (length > limits.keyfileBytes) throw new DowelError("LIMIT_EXCEEDED", `Descriptor ${fd} holds too many words`);
  return bytes.toString("utf8", 0, length);
}

function readWords(fd: number): string[] {
  const text = readBounded(fd);
  return (text.endsWith("\0") ? text.slice(0, -1) : text).split("\0").filter((word) => word !== "");
}

function checkName(option: string, pattern: string): string {
  const name = pattern.endsWith(".*") ? pattern.slice(0, -2) : pattern;
  // A namespace may have one part.
  if (isWellKnownName(name) || (pattern !== name && isWellKnownName(`${name}.x`))) return pattern;
  throw usage(`${option}=${pattern}: there must be a name on the bus, with .* at its end for all names below it`);
}

function applyRule(option: string, value: string, allow: (name: string, rule: string) => void): void {
  const equals = value.indexOf("=");
  if (equals < 0) throw usage(`${option}=${value}: there must be NAME=RULE`);
  allow(checkName(option, value.slice(0, equals)), value.slice(equals + 1));
}

const switches: Readonly<Record<string, (spec: SocketRules) => void>> = {
  "--filter": (spec) => {
    spec.filter = true;
  },
  "--log": (spec) => {
    spec.log = true;
  },
  "--sloppy-names": (spec) => {
    spec.sloppyNames = true;
  },
};

const appliers: Readonly<Record<string, (spec: SocketRules, value: string, option: string) => void>> = {
  "--see": ({ policy }, value, option) => policy.allow(checkName(option, value), level.see),
  "--talk": ({ policy }, value, option) => policy.allow(checkName(option, value), level.talk),
  "--own": ({ policy }, value, option) => policy.allow(checkName(option, value), level.own),
  "--ask": ({ policy }, value, option) => policy.askFor(checkName(option, value)),
  "--call": ({ policy }, value, option) => applyRule(option, value, (name, rule) => policy.allowCalls(name, rule)),
  "--broadcast": ({ policy }, value, option) =>
    applyRule(option, value, (name, rule) => policy.allowBroadcasts(name, rule)),
};

/** Applies an option of a socket. Throws `USAGE`. */
export function applyOption(spec: SocketRules, word: string): void {
  if (Object.hasOwn(switches, word)) {
    switches[word]?.(spec);
    return;
  }
  const [option = ""] = word.split("=", 1);
  const apply = Object.hasOwn(appliers, option) ? appliers[option] : undefined;
  if (apply === undefined) throw usage(`Unknown option ${word}`);
  apply(spec, word.slice(option.length + 1), option);
}

/**
 * Reads the words of xdg-dbus-proxy(1): `--fd` and `--args` anywhere, then for each socket an address, a path and its own
 * options. Throws `USAGE`.
 */
export function parseProxyWords(typed: readonly string[]): ProxyOptions {
  const proxies: ProxySpec[] = [];
  let syncFd: number | undefined;
  const words = expand(typed);
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word.startsWith("--fd=")) {
      syncFd = descriptor("--fd", word.slice("--fd=".length));
    } else if (!word.startsWith("-")) {
      const path = words[++index];
      // Without a path, the kernel would make one up that everybody can reach.
      if (path === undefined || path === "" || path.startsWith("-"))
        throw usage(`Behind ${word} there must be the path of a socket`);
      const upstream = parseBusAddress(word);
      proxies.push({ upstream, path, ...noRules() });
    } else {
      const spec = proxies.at(-1);
      if (spec === undefined) throw usage(`Before ${word} there must be an address and the path of a socket`);
      applyOption(spec, word);
    }
  }
  if (proxies.length === 0) throw usage("There must be an address and the path of a socket");
  return { proxies, syncFd };
}
