// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { BodyReader } from "../../formats/dbus/body.ts";
import { type MessageHeader, messageFlag } from "../../formats/dbus/header.ts";
import { canonicalMatchRule, parseMatchRule } from "../../formats/dbus/matchrule.ts";
import { type Answer, answers } from "./answers.ts";
import { type Expected, names, plain } from "./calls.ts";
import { describeLocal, type LocalNames } from "./local.ts";
import { busName, type Peers } from "./peers.ts";
import { level } from "./policy.ts";

type Handling =
  | "pass"
  | "own"
  | "see"
  | "talk"
  | "has-owner"
  | "owner"
  | "names"
  | "add-match"
  | "remove-match"
  | "deny";

/** Methods of the bus itself; all others are refused. */
const methods: Readonly<Record<string, Handling>> = {
  Hello: "pass",
  GetId: "pass",
  AddMatch: "add-match",
  RemoveMatch: "remove-match",
  RequestName: "own",
  ReleaseName: "own",
  ListQueuedOwners: "own",
  NameHasOwner: "has-owner",
  GetNameOwner: "owner",
  GetConnectionUnixProcessID: "see",
  GetConnectionUnixUser: "see",
  GetConnectionCredentials: "see",
  GetConnectionSELinuxSecurityContext: "see",
  GetAdtAuditSessionData: "see",
  StartServiceByName: "talk",
  ListNames: "names",
  ListActivatableNames: "names",
};

function handlingOf({ interface: name, member, destination }: MessageHeader): Handling {
  if (name === "org.freedesktop.DBus.Introspectable" && member === "Introspect") return "pass";
  if (name === "org.freedesktop.DBus.Peer" && destination === "") return "pass";
  if (name !== busName) return "deny";
  return Object.hasOwn(methods, member) ? (methods[member] ?? "deny") : "deny";
}

/** What the bus is not to tell: that there is such a name. */
export function hidden(header: MessageHeader): Answer {
  const unknown = !header.destination.startsWith(":") && (header.flags & messageFlag.noAutoStart) === 0;
  return unknown ? answers.serviceUnknown : answers.nameHasNoOwner;
}

/** The rules that the gateway has on the bus for a client, by their canonical form, and how often the client added each. */
export type OwnRules = Map<string, number>;

function addMatch(text: string, own: OwnRules): Expected | Answer {
  const rule = parseMatchRule(text);
  if (rule.has("eavesdrop")) return answers.accessDenied;
  const canonical = canonicalMatchRule(rule);
  const count = own.get(canonical);
  if (count === undefined) return plain;
  // The bus has this rule already; a second one there would let the client take away the first.
  own.set(canonical, count + 1);
  return answers.empty;
}

function removeMatch(text: string, own: OwnRules): Expected | Answer {
  const canonical = canonicalMatchRule(parseMatchRule(text));
  const count = own.get(canonical);
  if (count === undefined) return plain;
  if (count === 0) return answers.matchRuleNotFound;
  own.set(canonical, count - 1);
  return answers.empty;
}

/** The text that a message begins with, if it does. */
export function firstText(bytes: Uint8Array, start: number, header: MessageHeader): string | undefined {
  return header.signature.startsWith("s") ? new BodyReader(bytes, start, header).string() : undefined;
}

function matchRule(text: string | undefined, apply: (text: string) => Expected | Answer): Expected | Answer {
  if (text === undefined) return answers.accessDenied;
  try {
    return apply(text);
  } catch (error) {
    if (isDowelError(error, "DBUS_INVALID")) return answers.matchRuleInvalid;
    throw error;
  }
}

const needed = { own: level.own, see: level.see, talk: level.talk } as const;

/**
 * What becomes of a call to the bus itself: it goes there and its reply is expected, or it is answered here. The whole
 * message must be at `start`. Throws `DBUS_INVALID` where the body is malformed.
 */
export function decideBusCall(
  header: MessageHeader,
  bytes: Uint8Array,
  start: number,
  peers: Peers,
  own: OwnRules,
  local: LocalNames | undefined,
): Expected | Answer {
  const handling = handlingOf(header);
  if (handling === "pass") return plain;
  if (handling === "names") return names;
  if (handling === "deny") return answers.accessDenied;
  const text = firstText(bytes, start, header);
  if (handling === "add-match") return matchRule(text, (rule) => addMatch(rule, own));
  if (handling === "remove-match") return matchRule(text, (rule) => removeMatch(rule, own));
  const has = text === undefined ? level.none : peers.levelOf(text);
  if (local?.serves(text ?? "") === true && has >= level.see && handling !== "own")
    return describeLocal(header.member, local);
  if (handling === "has-owner") return has >= level.see ? plain : answers.false;
  if (handling === "owner") return has >= level.see ? plain : answers.nameHasNoOwner;
  if (has >= needed[handling]) return plain;
  return has >= level.see ? answers.accessDenied : hidden(header);
}
