// SPDX-License-Identifier: Apache-2.0
import { isSignature } from "../formats/dbus/signature.ts";
import type { ValueOf } from "../formats/dbus/types.ts";

/** Arguments as `TYPE NAME, TYPE NAME`, for example `ay cwd, a{sv} options`; "" for none. */
type ArgumentList = string;

/** What an interface has, as data: write it with `as const satisfies InterfaceShape`. */
export interface InterfaceShape {
  readonly name: string;
  readonly methods: Readonly<Record<string, { readonly in: ArgumentList; readonly out: ArgumentList }>>;
  readonly signals?: Readonly<Record<string, ArgumentList>>;
  /** Types; those in `writable` can be set. */
  readonly properties?: Readonly<Record<string, string>>;
  readonly writable?: readonly string[];
}

/** The values of an argument list: `ArgumentsOf<"u pid, s name">` is `readonly [number, string]`. */
export type ArgumentsOf<T extends string> = T extends ""
  ? readonly []
  : T extends `${infer S} ${string}, ${infer Rest}`
    ? readonly [ValueOf<S>, ...ArgumentsOf<Rest>]
    : T extends `${infer S} ${string}`
      ? readonly [ValueOf<S>]
      : readonly unknown[];

export interface Argument {
  readonly type: string;
  readonly name: string;
}

/** Reads an argument list. Throws a `TypeError`: the list is part of the program. */
export function parseArguments(list: ArgumentList): readonly Argument[] {
  if (list === "") return [];
  return list.split(", ").map((argument) => {
    const [type = "", name = ""] = argument.split(" ");
    if (!isSignature(type) || type === "" || name === "") throw new TypeError(`'${list}' is no list of arguments`);
    return { type, name };
  });
}

/** Lists are part of the program, so there are few. */
const signatures = new Map<ArgumentList, string>();

export function signatureOf(list: ArgumentList): string {
  const known = signatures.get(list);
  if (known !== undefined) return known;
  const made = parseArguments(list)
    .map(({ type }) => type)
    .join("");
  signatures.set(list, made);
  return made;
}

/** Who calls, and for how long an answer is of use. */
export interface Caller {
  /** The unique name that the bus gave the caller; it cannot be forged. */
  readonly sender: string;
  readonly path: string;
  /** The caller agrees to a person's being asked for a password. */
  readonly interactive: boolean;
  /** Fires when the connection over which the call came has ended. */
  readonly signal: AbortSignal;
}

/** What carries an interface out. Descriptors among the arguments are closed when the method has answered. */
export interface Implementation<I extends InterfaceShape, C = Caller> {
  readonly methods: {
    readonly [M in keyof I["methods"]]: (
      call: C,
      ...values: ArgumentsOf<I["methods"][M]["in"]>
    ) => ArgumentsOf<I["methods"][M]["out"]> | Promise<ArgumentsOf<I["methods"][M]["out"]>>;
  };
  readonly properties?: {
    readonly [P in keyof NonNullable<I["properties"]>]: (
      call: C,
    ) => ValueOf<NonNullable<I["properties"]>[P] & string> | Promise<ValueOf<NonNullable<I["properties"]>[P] & string>>;
  };
  /** Sets the properties that can be written. */
  readonly write?: Readonly<Record<string, (call: C, value: unknown) => void | Promise<void>>>;
}

/** An interface at a path, ready to be called; the types have done their work by now. */
export interface Served<C = Caller> {
  readonly shape: InterfaceShape;
  readonly call: (member: string, call: C, values: readonly unknown[]) => unknown;
  readonly read: (property: string, call: C) => unknown;
  readonly write: (property: string, call: C, value: unknown) => unknown;
}

/** Ties an interface to what carries it out. */
export function implement<const I extends InterfaceShape, C = Caller>(
  shape: I,
  implementation: Implementation<I, C>,
): Served<C> {
  const methods = implementation.methods as Readonly<
    Record<string, (call: C, ...values: readonly unknown[]) => unknown>
  >;
  const readers = (implementation.properties ?? {}) as Readonly<Record<string, (call: C) => unknown>>;
  const writers = implementation.write ?? {};
  return {
    shape,
    call: (member, call, values) => methods[member]?.(call, ...values),
    read: (property, call) => readers[property]?.(call),
    write: (property, call, value) => writers[property]?.(call, value),
  };
}
