// SPDX-License-Identifier: Apache-2.0

/**
 * What `[Limits]` in metadata and overrides can bound, and `--limit=NAME=VALUE`: memory and swap in bytes (`512M`), cpu
 * in hundredths of one processor (`50%`, `150%`), tasks as a number of processes and threads, io in bytes a second for
 * each disk, read and written. `none` lifts the limit of a lower layer.
 */
const limitNames = ["memory", "swap", "cpu", "tasks", "io"] as const;

export type LimitName = (typeof limitNames)[number];

/** Values as they are written. */
export type Limits = ReadonlyMap<LimitName, string>;

const units: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

const expected: Readonly<Record<LimitName, string>> = {
  memory: "a size of at least 1M, such as 512M",
  swap: "a size, such as 512M or 0",
  cpu: "a share of one processor from 1% to 100000%",
  tasks: "a number from 2 to 4194304",
  io: "bytes a second, at least 4K, such as 10M",
};

function bytesOf(text: string): number {
  const [, digits, unit = ""] = /^([0-9]{1,15})([KMGT]?)$/.exec(text) ?? [];
  const bytes = Number(digits) * (units[unit] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : Number.NaN;
}

const numbers: Readonly<Record<LimitName, (text: string) => number>> = {
  memory: bytesOf,
  swap: bytesOf,
  cpu: (text) => (/^[0-9]{1,6}%$/.test(text) ? Number(text.slice(0, -1)) : Number.NaN),
  tasks: (text) => (/^[0-9]{1,7}$/.test(text) ? Number(text) : Number.NaN),
  io: bytesOf,
};

const ranges: Readonly<Record<LimitName, readonly [min: number, max: number]>> = {
  memory: [2 ** 20, Number.MAX_SAFE_INTEGER],
  swap: [0, Number.MAX_SAFE_INTEGER],
  cpu: [1, 100_000],
  tasks: [2, 4_194_304],
  io: [4096, Number.MAX_SAFE_INTEGER],
};

function isLimitName(name: string): name is LimitName {
  return limitNames.some((known) => known === name);
}

/** A limit's number: bytes, percent, tasks, bytes a second; undefined for `none`, and for what is no limit. */
export function limitNumber(name: LimitName, value: string): number | undefined {
  const number = numbers[name](value);
  const [min, max] = ranges[name];
  return number >= min && number <= max ? number : undefined;
}

/** Checks one limit; answers its name, or a text that says what was expected. */
export function checkLimit(name: string, value: string): { readonly name: LimitName } | { readonly expected: string } {
  if (!isLimitName(name)) return { expected: `one of ${limitNames.join(", ")}` };
  const good = value === "none" || limitNumber(name, value) !== undefined;
  return good ? { name } : { expected: `${expected[name]}, or none` };
}
