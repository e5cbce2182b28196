// SPDX-License-Identifier: Apache-2.0
import { Decoder } from "../../base/decode.ts";
import type { Bus, ServedSocket } from "../../metadata/permissions/names.ts";
import type { Traffic } from "../bus/stream.ts";
import type { CountedDenial } from "./denials.ts";
import type { KeptPolicy } from "./policy.ts";
import type { InstanceStatus, SessionStatus } from "./status.ts";

const served: Readonly<Record<ServedSocket, true>> = {
  session: true,
  system: true,
  a11y: true,
  pulse: true,
  pipewire: true,
};
const buses: Readonly<Record<Bus, true>> = { session: true, system: true, a11y: true };

/** Reads what a service says, which may be another version than who asks. Throws `SESSION_PROTOCOL`. */
class AnswerDecoder extends Decoder {
  constructor(socket: string) {
    super("SESSION_PROTOCOL", `The answer of the session service at ${socket}`);
  }

  status(text: string): SessionStatus {
    const { pid, instances } = this.object(this.parse(text), "");
    return {
      pid: this.size(pid, "pid"),
      instances: this.array(instances, "instances").map((one, index) => this.#instance(one, `instances[${index}]`)),
    };
  }

  kept(text: string): readonly KeptPolicy[] {
    return this.array(this.parse(text), "").map((value, index) => {
      const { app, instance } = this.object(value, `[${index}]`);
      return { app: this.string(app, `[${index}].app`), instance: this.string(instance, `[${index}].instance`) };
    });
  }

  #oneOf<T extends string>(known: Readonly<Record<T, true>>, name: string, path: string): T {
    if (!Object.hasOwn(known, name)) this.fail(path, `one of ${Object.keys(known).join(", ")}`);
    return name as T;
  }

  #instance(value: unknown, path: string): InstanceStatus {
    const one = this.object(value, path);
    return {
      instance: this.string(one["instance"], `${path}.instance`),
      app: this.string(one["app"], `${path}.app`),
      words: this.optional(one["words"], (words) =>
        this.array(words, `${path}.words`).map((word) => this.string(word, `${path}.words`)),
      ),
      buses: Object.fromEntries(
        Object.entries(this.object(one["buses"], `${path}.buses`)).map(([bus, traffic]) => [
          this.#oneOf(served, bus, `${path}.buses`),
          this.#traffic(traffic, `${path}.buses.${bus}`),
        ]),
      ),
      denials: this.array(one["denials"], `${path}.denials`).map((denial) => this.#denial(denial, `${path}.denials`)),
    };
  }

  #traffic(value: unknown, path: string): Traffic {
    const one = this.object(value, path);
    const count = (key: keyof Traffic): number => this.size(one[key], `${path}.${key}`);
    return {
      connections: count("connections"),
      messages: count("messages"),
      bytes: count("bytes"),
      denied: count("denied"),
    };
  }

  #denial(value: unknown, path: string): CountedDenial {
    const one = this.object(value, path);
    const text = (key: keyof CountedDenial): string => this.string(one[key], `${path}.${key}`);
    return {
      bus: this.#oneOf(buses, text("bus"), `${path}.bus`),
      name: text("name"),
      call: text("call"),
      path: text("path"),
      error: text("error"),
      count: this.size(one["count"], `${path}.count`),
    };
  }
}

/** What the service at a socket says of itself. Throws `SESSION_PROTOCOL` where that makes no sense. */
export function decodeStatus(socket: string, text: string): SessionStatus {
  return new AnswerDecoder(socket).status(text);
}

/** The instances that keep their policy, as the service at a socket says. Throws `SESSION_PROTOCOL`. */
export function decodeKept(socket: string, text: string): readonly KeptPolicy[] {
  return new AnswerDecoder(socket).kept(text);
}
