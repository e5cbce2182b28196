// SPDX-License-Identifier: Apache-2.0
import { BodyReader } from "../../formats/dbus/body.ts";
import type { MessageHeader } from "../../formats/dbus/header.ts";
import { variant } from "../../formats/dbus/types.ts";
import { type Answer, answers } from "./answers.ts";

/** The peer that the gateway is to its clients. A bus gives no name that starts so. */
export const localUnique = ":0.dowel";

const properties = "org.freedesktop.DBus.Properties";

/**
 * Well-known names that the gateway itself has for one client; whoever has them on the bus is not seen. Of a shared name
 * it serves some interfaces, and the rest goes to who has it on the bus.
 */
export class LocalNames {
  readonly #all: readonly string[];
  readonly #hasObject: (path: string) => boolean;
  readonly #shared = new Map<string, ReadonlySet<string>>();

  /** @param hasObject whether the gateway itself has made an object for the client there */
  constructor(names: readonly string[], hasObject: (path: string) => boolean = () => false) {
    this.#all = names;
    this.#hasObject = hasObject;
  }

  /** Leaves a name to its owner on the bus, but for these interfaces. Must be said before the client says Hello. */
  share(name: string, interfaces: ReadonlySet<string>): void {
    this.#shared.set(name, interfaces);
  }

  /** Those that it has alone. */
  get names(): readonly string[] {
    return this.#all.filter((name) => !this.#shared.has(name));
  }

  /** Those of which it serves a part. */
  get shared(): readonly string[] {
    return [...this.#shared.keys()];
  }

  serves(name: string): boolean {
    return name === localUnique || (this.#all.includes(name) && !this.#shared.has(name));
  }

  /** Whether a call of a shared name is for the gateway; undefined: the whole message must be seen to say that. */
  takes(name: string, header: MessageHeader, bytes: Uint8Array, start: number, complete: boolean): boolean | undefined {
    const interfaces = this.#shared.get(name);
    if (interfaces === undefined) return false;
    if (interfaces.has(header.interface) || this.#hasObject(header.path)) return true;
    if (header.interface !== properties || !header.signature.startsWith("s")) return false;
    return complete ? interfaces.has(new BodyReader(bytes, start, header).string()) : undefined;
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
