// SPDX-License-Identifier: Apache-2.0
import { variant } from "../../formats/dbus/types.ts";
import { type Answer, answers } from "./answers.ts";

/** The peer that the gateway is to its clients. A bus gives no name that starts so. */
export const localUnique = ":0.dowel";

/** Well-known names that the gateway itself has, for its clients; whoever has them on the bus is not seen. */
export class LocalNames {
  readonly names: readonly string[];

  constructor(names: readonly string[]) {
    this.names = names;
  }

  serves(name: string): boolean {
    return name === localUnique || this.names.includes(name);
  }
}

/** `DBUS_START_REPLY_ALREADY_RUNNING` of the D-Bus specification. */
const alreadyRunning = 2;

function values(signature: string, value: unknown): Answer {
  return { kind: "values", signature, values: [value] };
}

/** What the bus would answer about one of these names. */
export function describeLocal(member: string, { names }: LocalNames): Answer {
  const [uid, pid] = [process.getuid?.() ?? 0, process.pid];
  switch (member) {
    case "GetNameOwner":
      return values("s", localUnique);
    case "NameHasOwner":
      return values("b", true);
    case "StartServiceByName":
      return values("u", alreadyRunning);
    case "GetConnectionUnixProcessID":
      return values("u", pid);
    case "GetConnectionUnixUser":
      return values("u", uid);
    case "GetConnectionCredentials":
      return values(
        "a{sv}",
        new Map([
          ["UnixUserID", variant("u", uid)],
          ["ProcessID", variant("u", pid)],
        ]),
      );
    default:
      return names.length === 0 ? answers.nameHasNoOwner : answers.accessDenied;
  }
}
