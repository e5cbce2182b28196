// SPDX-License-Identifier: Apache-2.0

/** A value with its type, as the type `v` carries it. */
export interface Variant {
  readonly signature: string;
  readonly value: unknown;
}

/** Values of the basic types. `h` is an open descriptor, not its place among those of the message. */
interface Basic {
  readonly y: number;
  readonly b: boolean;
  readonly n: number;
  readonly q: number;
  readonly i: number;
  readonly u: number;
  readonly x: bigint;
  readonly t: bigint;
  readonly d: number;
  readonly s: string;
  readonly o: string;
  readonly g: string;
  readonly h: number;
  readonly v: Variant;
}

type TakeEntry<S extends string> =
  Take<S> extends [infer K, infer R extends string]
    ? Take<R> extends [infer V, `}${infer Rest}`]
      ? [ReadonlyMap<K, V>, Rest]
      : never
    : never;

type TakeMembers<S extends string> = S extends `)${infer Rest}`
  ? [readonly [], Rest]
  : Take<S> extends [infer V, infer R extends string]
    ? TakeMembers<R> extends [infer M extends readonly unknown[], infer Rest]
      ? [readonly [V, ...M], Rest]
      : never
    : never;

/** The first complete type of a signature as a type of this language, and the rest of the signature. */
type Take<S extends string> = S extends `a{${infer R}`
  ? TakeEntry<R>
  : S extends `ay${infer R}`
    ? [Uint8Array, R]
    : S extends `a${infer R}`
      ? Take<R> extends [infer E, infer Rest extends string]
        ? [readonly E[], Rest]
        : never
      : S extends `(${infer R}`
        ? TakeMembers<R>
        : S extends `${infer C extends keyof Basic}${infer R}`
          ? [Basic[C], R]
          : never;

type TakeAll<S extends string> = S extends ""
  ? readonly []
  : Take<S> extends [infer V, infer Rest extends string]
    ? TakeAll<Rest> extends infer M extends readonly unknown[]
      ? readonly [V, ...M]
      : never
    : never;

/** The values of a signature: `ValuesOf<"sa{sv}">` is `readonly [string, ReadonlyMap<string, Variant>]`. */
export type ValuesOf<S extends string> = string extends S ? readonly unknown[] : TakeAll<S>;

/** The value of one complete type. */
export type ValueOf<S extends string> = string extends S ? unknown : Take<S> extends [infer V, ""] ? V : never;

export function variant<const S extends string>(signature: S, value: ValueOf<S>): Variant {
  return { signature, value };
}

/** The value of a variant where its type is this one; undefined for another and for none. */
export function valueAs<const S extends string>(signature: S, found: Variant | undefined): ValueOf<S> | undefined {
  return found?.signature === signature ? (found.value as ValueOf<S>) : undefined;
}

/** By the first character of a type: what its values are aligned to ("Marshaling" of the D-Bus specification). */
export const alignments: Readonly<Record<string, number>> = {
  y: 1,
  b: 4,
  n: 2,
  q: 2,
  i: 4,
  u: 4,
  x: 8,
  t: 8,
  d: 8,
  s: 4,
  o: 4,
  g: 1,
  h: 4,
  v: 1,
  a: 4,
  "(": 8,
  "{": 8,
};
