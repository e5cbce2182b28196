// SPDX-License-Identifier: Apache-2.0
import type { Dictionary } from "../../formats/pod/types.ts";

/** What a client may say of itself. What else there is, `pipewire.access` and the like, decides about its rights. */
const ofClient =
  /^(application|audio|clock|config|context|core|cpu|default|link|log|media|mem|settings|stream|window)\./;

/** What it may say of its streams; not which device they are, how others are driven, or who goes first. */
const ofStream =
  /^(adapt|application|audio|channelmix|clock|convert|dither|factory|format|library|log|media|param|port|resample|state|stream|window)\./;
const streamKeys = new Set([
  "node.name",
  "node.nick",
  "node.description",
  "node.latency",
  "node.max-latency",
  "node.rate",
  "node.autoconnect",
  "node.want-driver",
  "node.always-process",
  "node.async",
  "node.pause-on-idle",
  "node.suspend-on-idle",
  "node.passive",
  "node.dont-reconnect",
  "node.dont-fallback",
  "node.loop.name",
  "node.terminal",
  "object.register",
]);

/** By which a stream chooses where it goes, or what it records. */
export const targetKeys = ["target.object", "node.target"] as const;

function only(properties: Dictionary, allowed: (key: string, value: string) => boolean): Dictionary {
  return new Map([...properties].filter(([key, value]) => allowed(key, value)));
}

/** What is left of what a client says of itself; it manages nothing. */
export function clientProperties(properties: Dictionary): Dictionary {
  return only(properties, (key, value) => ofClient.test(key) && !(key === "media.category" && value === "Manager"));
}

/**
 * What is left of what a client says of a stream.
 *
 * @param mediaClass what it is for good
 * @param targets what it may name as its place, undefined for anything
 */
export function streamProperties(
  properties: Dictionary,
  mediaClass: string,
  targets: ReadonlySet<string> | undefined,
): Dictionary {
  return only(properties, (key, value) => {
    if (key === "media.class") return value === mediaClass;
    if (targetKeys.some((name) => name === key)) return targets === undefined || targets.has(value);
    return streamKeys.has(key) || ofStream.test(key);
  });
}
