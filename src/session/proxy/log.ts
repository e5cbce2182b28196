// SPDX-License-Identifier: Apache-2.0
import { type MessageHeader, messageType } from "../../formats/dbus/header.ts";
import { type Answer, answers } from "../bus/answers.ts";
import type { Decision } from "../bus/filter.ts";
import type { Direction } from "../bus/link.ts";

/** Of what comes from the bus. */
const outcomes: Readonly<Partial<Record<Decision, string>>> = {
  drop: "*SKIPPED*\n",
  replace: "*REWRITTEN*\n",
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

/** A name that the client is not to know of is hidden from it; the bus is pinged where an answer has to have its place. */
function refused(refusal: Answer | undefined, decision: Decision): string {
  if (decision === "drop" && refusal === undefined) return "*SKIPPED*\n";
  if (decision !== "drop" && decision !== "replace") return "";
  const isHidden =
    refusal?.kind === "false" || refusal === answers.serviceUnknown || refusal === answers.nameHasNoOwner;
  const what = refusal?.kind === "empty" || refusal?.kind === "values" ? "ANSWERED" : isHidden ? "HIDDEN" : "DENIED";
  return `*${what}*${decision === "replace" ? " (ping)" : ""}\n`;
}

/** A message and what becomes of it, in lines as xdg-dbus-proxy's `--log` prints them. */
export function logLines(
  direction: Direction,
  header: MessageHeader,
  decision: Decision,
  refusal: Answer | undefined,
): string {
  if (direction === "from-client") {
    const to =
      header.destination === "" ? (header.type === messageType.signal ? "all" : "(no dest)") : header.destination;
    return `C${header.serial}: -> ${to} ${what(header, "B")}\n${refused(refusal, decision)}`;
  }
  const from = header.sender === "" ? "(no sender)" : header.sender;
  return `B${header.serial}: <- ${from} ${what(header, "C")}\n${outcomes[decision] ?? ""}`;
}
