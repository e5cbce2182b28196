// SPDX-License-Identifier: Apache-2.0
import { writeValues } from "../../formats/dbus/encode.ts";
import { type MessageHeader, messageFlag, messageType } from "../../formats/dbus/header.ts";
import { encodeMessage } from "../../formats/dbus/write.ts";
import { busName } from "./peers.ts";

const busPath = "/org/freedesktop/DBus";

/**
 * What a client gets instead of what it asked for: an error, `false`, or an empty return. It takes the place of the bus's
 * answer to a ping, so that answers come in the bus's order.
 */
export type Answer =
  | { readonly kind: "error"; readonly name: string; readonly text?: string }
  | { readonly kind: "false" }
  | { readonly kind: "empty" }
  /** What the bus would say of a peer that only the gateway knows. */
  | { readonly kind: "values"; readonly signature: string; readonly values: readonly unknown[] };

const prefix = "org.freedesktop.DBus.Error.";

function errorAnswer(name: string): Answer {
  return { kind: "error", name: `${prefix}${name}` };
}

export const answers = {
  accessDenied: { kind: "error", name: `${prefix}AccessDenied` },
  serviceUnknown: errorAnswer("ServiceUnknown"),
  nameHasNoOwner: errorAnswer("NameHasNoOwner"),
  matchRuleInvalid: errorAnswer("MatchRuleInvalid"),
  matchRuleNotFound: errorAnswer("MatchRuleNotFound"),
  false: { kind: "false" },
  empty: { kind: "empty" },
} as const satisfies Readonly<Record<string, Answer>>;

export function isAnswer(value: { readonly kind: string }): value is Answer {
  return value.kind === "error" || value.kind === "false" || value.kind === "empty" || value.kind === "values";
}

/** The message that a client gets in place of `reply`, the bus's answer to a ping. */
export function encodeAnswer(answer: Answer, reply: MessageHeader): Uint8Array {
  const { serial, replySerial } = reply;
  const flags = messageFlag.noReplyExpected;
  switch (answer.kind) {
    case "error":
      return encodeMessage({
        type: messageType.error,
        flags,
        serial,
        replySerial,
        errorName: answer.name,
        signature: "s",
        body: (writer) => writer.string(answer.text ?? answer.name),
      });
    case "false":
      return encodeMessage({
        type: messageType.return,
        flags,
        serial,
        replySerial,
        signature: "b",
        body: (writer) => writer.uint32(0),
      });
    case "values":
      return encodeMessage({
        type: messageType.return,
        flags,
        serial,
        replySerial,
        signature: answer.signature,
        body: (writer) => writeValues(writer, answer.signature, answer.values, []),
      });
    case "empty":
      return encodeMessage({ type: messageType.return, flags, serial, replySerial });
  }
}

/** The reply to ListNames or ListActivatableNames with fewer names. */
export function encodeNames(names: readonly string[], reply: MessageHeader): Uint8Array {
  return encodeMessage({
    type: messageType.return,
    flags: reply.flags,
    serial: reply.serial,
    replySerial: reply.replySerial,
    ...(reply.sender === "" ? {} : { sender: reply.sender }),
    ...(reply.destination === "" ? {} : { destination: reply.destination }),
    signature: "as",
    body: (writer) => writer.strings(names),
  });
}

/** What goes to the bus in place of a call that must not. Without destination it is for the bus itself. */
export function encodePing(serial: number): Uint8Array {
  return encodeMessage({
    type: messageType.call,
    serial,
    path: busPath,
    interface: "org.freedesktop.DBus.Peer",
    member: "Ping",
  });
}

/** A call of the gateway's own to the bus, with a text or nothing. */
export function encodeBusCall(serial: number, member: string, argument?: string, flags = 0): Uint8Array {
  const call = {
    type: messageType.call,
    flags,
    serial,
    path: busPath,
    interface: busName,
    member,
    destination: busName,
  };
  return encodeMessage(
    argument === undefined ? call : { ...call, signature: "s", body: (writer) => writer.string(argument) },
  );
}

/** The match rule for changes of owner of a name, or of a name and all below it. */
export function ownerRule(key: "arg0" | "arg0namespace", name: string): string {
  return `type='signal',sender='${busName}',interface='${busName}',member='NameOwnerChanged',path='${busPath}',${key}='${name}'`;
}
