// SPDX-License-Identifier: Apache-2.0

/** Options that many commands share, as stricli parameters. */

const text = (input: string): string => input;

export const installationFlags = {
  user: { kind: "boolean", brief: "Work on the user's installation", optional: true, withNegated: false },
  system: { kind: "boolean", brief: "Work on the system's installation", optional: true, withNegated: false },
  installation: {
    kind: "parsed",
    parse: text,
    brief: "Work on a further system installation",
    placeholder: "NAME",
    optional: true,
    variadic: true,
  },
} as const;

export interface InstallationFlags {
  readonly user?: boolean;
  readonly system?: boolean;
  readonly installation?: readonly string[];
}

export const jsonFlag = {
  json: { kind: "boolean", brief: "Print JSON", optional: true, withNegated: false },
} as const;

export const kindFlags = {
  app: { kind: "boolean", brief: "Only apps", optional: true, withNegated: false },
  runtime: { kind: "boolean", brief: "Only runtimes", optional: true, withNegated: false },
} as const;

export interface KindFlags {
  readonly app?: boolean;
  readonly runtime?: boolean;
}

export const transactionFlags = {
  assumeyes: { kind: "boolean", brief: "Answer every question with yes", optional: true, withNegated: false },
  noninteractive: { kind: "boolean", brief: "Ask nothing and say little", optional: true, withNegated: false },
} as const;

export interface TransactionFlags {
  readonly assumeyes?: boolean;
  readonly noninteractive?: boolean;
}

/** An option that takes a text. */
export function textFlag(brief: string, placeholder: string) {
  return { kind: "parsed", parse: text, brief, placeholder, optional: true } as const;
}

/** An option that takes a text and may be given more than once. */
export function textsFlag(brief: string, placeholder: string) {
  return { kind: "parsed", parse: text, brief, placeholder, optional: true, variadic: true } as const;
}

/** A switch. */
export function switchFlag(brief: string) {
  return { kind: "boolean", brief, optional: true, withNegated: false } as const;
}

/** An argument that is a text. */
export function textArgument(brief: string, placeholder: string) {
  return { parse: text, brief, placeholder } as const;
}

/** An argument that is a text and may be missing. */
export function optionalArgument(brief: string, placeholder: string) {
  return { parse: text, brief, placeholder, optional: true } as const;
}
