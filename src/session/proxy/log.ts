// SPDX-License-Identifier: Apache-2.0
import { type MessageHeader, messageType } from "../../formats/dbus/header.ts";
import type { Decision } from "../bus/filter.ts";
import type { Direction } from "../bus/link.ts";

const outcomes: Readonly<Partial<Record<Decision, string>>> = {
  drop: "*SKIPPED*\n",
};

function what(header: MessageHeader, asker: string): string {
  const name = header.interface === "" ? header.member : `${header.interface}.${header.member}`;
  switch (header.type) {
    case messageType.call:
      return `call ${name} at ${header.path}`;
    case messageType.signal:
      return `signal ${name} at ${header.path}`;
    case messageType.error:
      return `return error ${header.errorName} from ${asker}${header.replySerial}`;
    default:
      return `return from ${asker}${header.replySerial}`;
  }
}

/** A message and what becomes of it, in lines as xdg-dbus-proxy's `--log` prints them. */
export function logLines(direction: Direction, header: MessageHeader, decision: Decision): string {
  if (direction === "from-client") {
    const to =
      header.destination === "" ? (header.type === messageType.signal ? "all" : "(no dest)") : header.destination;
    return `C${header.serial}: -> ${to} ${what(header, "B")}\n${decision === "replace" ? "*DENIED* (ping)\n" : (outcomes[decision] ?? "")}`;
  }
  const from = header.sender === "" ? "(no sender)" : header.sender;
  return `B${header.serial}: <- ${from} ${what(header, "C")}\n${decision === "replace" ? "*REWRITTEN*\n" : (outcomes[decision] ?? "")}`;
}
