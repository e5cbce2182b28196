// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { isInterface, isMember, isObjectPath, isPeerName, isWellKnownName } from "./names.ts";

/** What dbus-daemon allows. */
const ruleCharacters = 1024;
const types: ReadonlySet<string> = new Set(["method_call", "method_return", "error", "signal"]);
const blanks = " \t\r\n";

function invalidRule(rule: string, expected: string): DowelError {
  return new DowelError("DBUS_INVALID", `Cannot read the match rule '${rule}': ${expected}`);
}

function isNamespace(text: string): boolean {
  return isWellKnownName(text) || isMember(text.replaceAll("-", "_"));
}

function accepts(key: string, value: string): boolean {
  switch (key) {
    case "type":
      return types.has(value);
    case "sender":
    case "destination":
      return isPeerName(value);
    case "interface":
      return isInterface(value);
    case "member":
      return isMember(value);
    case "path":
    case "path_namespace":
      return isObjectPath(value);
    case "arg0namespace":
      return isNamespace(value);
    case "eavesdrop":
      return value === "true" || value === "false";
    default: {
      const number = /^arg(0|[1-9][0-9]?)(?:path)?$/.exec(key)?.[1];
      return number !== undefined && Number(number) < 64;
    }
  }
}

/** Value and offset behind it: apostrophes quote; outside of them a backslash takes an apostrophe as it is. */
function readValue(rule: string, from: number): { readonly value: string; readonly next: number } {
  let value = "";
  let quoted = false;
  let at = from;
  for (; at < rule.length; at++) {
    const character = rule.charAt(at);
    if (character === "'") quoted = !quoted;
    else if (!quoted && character === ",") break;
    else if (!quoted && character === "\\" && rule.charAt(at + 1) === "'") value += rule.charAt(++at);
    else value += character;
  }
  if (quoted) throw invalidRule(rule, "an apostrophe is missing");
  return { value, next: at + 1 };
}

/**
 * Keys and values of a match rule ("Match Rules" of the D-Bus specification), with the blanks that dbus-daemon allows
 * before and after a key. Unknown keys, keys that come twice and impossible values are refused. Throws `DBUS_INVALID`.
 */
export function parseMatchRule(rule: string): ReadonlyMap<string, string> {
  if (rule.length > ruleCharacters) throw invalidRule(`${rule.slice(0, 64)}…`, `it is longer than ${ruleCharacters}`);
  const result = new Map<string, string>();
  let at = 0;
  for (;;) {
    while (at < rule.length && blanks.includes(rule.charAt(at))) at++;
    if (at >= rule.length) return result;
    const equals = rule.indexOf("=", at);
    if (equals < 0) throw invalidRule(rule, `'=' is missing behind offset ${at}`);
    const key = rule.slice(at, equals).replace(/[ \t\r\n]+$/, "");
    const { value, next } = readValue(rule, equals + 1);
    if (!accepts(key, value)) throw invalidRule(rule, `'${key}' is no key, or '${value}' no value for it`);
    if (result.has(key)) throw invalidRule(rule, `'${key}' comes twice`);
    result.set(key, value);
    at = next;
  }
}

/** One text for all rules that mean the same. */
export function canonicalMatchRule(rule: ReadonlyMap<string, string>): string {
  return JSON.stringify([...rule].sort(([left], [right]) => (left < right ? -1 : 1)));
}
