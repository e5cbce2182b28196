// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../base/errors.ts";
import { isObjectPath } from "../formats/dbus/names.ts";
import type { Variant } from "../formats/dbus/types.ts";
import { BusCallError, busErrors } from "./errors.ts";
import { type Caller, type InterfaceShape, type Served, signatureOf } from "./interface.ts";
import { introspection } from "./introspect.ts";
import type { Message } from "./message.ts";

/** What a call is answered with. */
export interface Answer {
  readonly signature: string;
  readonly values: readonly unknown[];
}

const empty: Answer = { signature: "", values: [] };

export const propertiesShape = {
  name: "org.freedesktop.DBus.Properties",
  methods: {
    Get: { in: "s interface_name, s property_name", out: "v value" },
    GetAll: { in: "s interface_name", out: "a{sv} properties" },
    Set: { in: "s interface_name, s property_name, v value", out: "" },
  },
  signals: { PropertiesChanged: "s interface_name, a{sv} changed_properties, as invalidated_properties" },
} as const satisfies InterfaceShape;
const introspectableShape = {
  name: "org.freedesktop.DBus.Introspectable",
  methods: { Introspect: { in: "", out: "s xml_data" } },
} as const satisfies InterfaceShape;
const peerShape = {
  name: "org.freedesktop.DBus.Peer",
  methods: { Ping: { in: "", out: "" } },
} as const satisfies InterfaceShape;
const standardShapes = [propertiesShape, introspectableShape, peerShape];

function unknown(name: keyof typeof busErrors, what: string): BusCallError {
  return new BusCallError(busErrors[name], what);
}

/** The error that a failed call is answered with; what is not meant for others is not told. */
export function answerableError(error: unknown): BusCallError {
  if (error instanceof BusCallError) return error;
  const message = isDowelError(error) ? error.message : "The call failed";
  return new BusCallError(busErrors.failed, message, { cause: error });
}

type Interfaces<C> = Map<string, Served<C>>;

/** Objects by path, each with its interfaces, and the answers to calls on them. Knows no connection. */
export class ObjectTree<C extends Caller = Caller> {
  readonly #objects = new Map<string, Interfaces<C>>();

  /** Serves an interface at a path until disposed of. Throws a `TypeError` where there is one already. */
  export(path: string, served: Served<C>): Disposable {
    const interfaces: Interfaces<C> = this.#objects.get(path) ?? new Map<string, Served<C>>();
    const { name } = served.shape;
    if (!isObjectPath(path) || interfaces.has(name)) throw new TypeError(`${name} cannot be served at ${path}`);
    this.#objects.set(path, interfaces.set(name, served));
    return {
      [Symbol.dispose]: () => {
        if (interfaces.get(name) === served) interfaces.delete(name);
        if (interfaces.size === 0 && this.#objects.get(path) === interfaces) this.#objects.delete(path);
      },
    };
  }

  has(path: string): boolean {
    return this.#objects.has(path);
  }

  /**
   * Carries a call out; the answer is a promise only where the method's is. Throws, or rejects with, a `BusCallError` or
   * what a method threw. Descriptors of the message stay open.
   */
  answer(message: Message, call: C): Answer | Promise<Answer> {
    const { path, interface: name, member, signature, values } = message;
    const interfaces = this.#objects.get(path);
    if (name === peerShape.name && member === "Ping") return empty;
    const children = interfaces === undefined || name === introspectableShape.name ? this.#children(path) : [];
    if (interfaces === undefined && children.length === 0) throw unknown("unknownObject", `There is no object ${path}`);
    if (values === undefined) throw unknown("invalidArguments", `The body of the call of ${member} is malformed`);
    const served = interfaces ?? new Map<string, Served<C>>();
    if (name === introspectableShape.name && member === "Introspect") return introspect(served, children);
    if (name === propertiesShape.name) return callProperties(served, message, call);
    const target = name === "" ? [...served.values()].find(({ shape }) => hasMember(shape, member)) : served.get(name);
    if (target === undefined && name !== "") throw unknown("unknownInterface", `${path} does not have ${name}`);
    if (target === undefined || !hasMember(target.shape, member)) {
      throw unknown("unknownMethod", `${path} has no method ${name === "" ? member : `${name}.${member}`}`);
    }
    const method = target.shape.methods[member] ?? { in: "", out: "" };
    const takes = signatureOf(method.in);
    if (takes !== signature) {
      throw unknown("invalidArguments", `${member} takes '${takes}' and not '${signature}'`);
    }
    const answered = target.call(member, call, values);
    const returns = signatureOf(method.out);
    const answerOf = (found: unknown): Answer => ({ signature: returns, values: (found ?? []) as readonly unknown[] });
    return answered instanceof Promise ? answered.then(answerOf) : answerOf(answered);
  }

  #children(path: string): readonly string[] {
    const prefix = path === "/" ? "/" : `${path}/`;
    const below = [...this.#objects.keys()].filter((other) => other !== path && other.startsWith(prefix));
    return [...new Set(below.map((other) => other.slice(prefix.length).split("/", 1)[0] ?? ""))].sort();
  }
}

function hasMember(shape: InterfaceShape, member: string): boolean {
  return Object.hasOwn(shape.methods, member);
}

function introspect<C>(served: Interfaces<C>, children: readonly string[]): Answer {
  const shapes = [...served.values()].map(({ shape }) => shape);
  return { signature: "s", values: [introspection(served.size > 0 ? [...shapes, ...standardShapes] : [], children)] };
}

function propertyType({ name, properties }: InterfaceShape, property: string): string {
  const type = Object.hasOwn(properties ?? {}, property) ? properties?.[property] : undefined;
  if (type === undefined) throw unknown("unknownProperty", `${name} has no property ${property}`);
  return type;
}

async function callProperties<C>(served: Interfaces<C>, message: Message, call: C): Promise<Answer> {
  const { member, signature, values = [] } = message;
  if (!hasMember(propertiesShape, member)) throw unknown("unknownMethod", `There is no method ${member} of properties`);
  const takes = signatureOf(propertiesShape.methods[member as keyof typeof propertiesShape.methods].in);
  if (takes !== signature) throw unknown("invalidArguments", `${member} takes '${takes}' and not '${signature}'`);
  const [name = "", property = "", value] = values as readonly [string?, string?, Variant?];
  const target = served.get(name);
  if (target === undefined) throw unknown("unknownInterface", `The object does not have ${name}`);
  const { shape } = target;
  if (member === "GetAll") {
    const all = new Map<string, Variant>();
    for (const [one, type] of Object.entries(shape.properties ?? {})) {
      all.set(one, { signature: type, value: await target.read(one, call) });
    }
    return { signature: "a{sv}", values: [all] };
  }
  const type = propertyType(shape, property);
  if (member === "Get") {
    return { signature: "v", values: [{ signature: type, value: await target.read(property, call) }] };
  }
  if (shape.writable?.includes(property) !== true) throw unknown("propertyReadOnly", `${property} cannot be set`);
  if (value?.signature !== type) throw unknown("invalidArguments", `${property} has the type '${type}'`);
  await target.write(property, call, value.value);
  return empty;
}
