// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";

import { parseSubpaths } from "../store/image/subset.ts";

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

const kindFlags = {
  app: { kind: "boolean", brief: "Only apps", optional: true, withNegated: false },
  runtime: { kind: "boolean", brief: "Only runtimes", optional: true, withNegated: false },
} as const;

export interface KindFlags {
  readonly app?: boolean;
  readonly runtime?: boolean;
}

/** What every command takes that looks at some refs of some installations. */
export const selectionFlags = {
  ...installationFlags,
  ...kindFlags,
  ...jsonFlag,
  arch: { kind: "parsed", parse: text, brief: "Architecture", placeholder: "ARCH", optional: true },
} as const;

export interface SelectionFlags extends InstallationFlags, KindFlags {
  readonly arch?: string;
  readonly json?: boolean;
}

export const selectionAliases = { u: "user", j: "json" } as const;

export const transactionFlags = {
  assumeyes: { kind: "boolean", brief: "Answer every question with yes", optional: true, withNegated: false },
  noninteractive: { kind: "boolean", brief: "Ask nothing and say little", optional: true, withNegated: false },
} as const;

export interface TransactionFlags {
  readonly assumeyes?: boolean;
  readonly noninteractive?: boolean;
}

/** What every command that changes installations takes. */
export const changeFlags = {
  ...selectionFlags,
  ...transactionFlags,
  noRelated: { kind: "boolean", brief: "Leave extensions alone", optional: true, withNegated: false },
} as const;

/** What every command that fetches images takes besides. */
export const fetchFlags = {
  ...changeFlags,
  noPull: { kind: "boolean", brief: "Fetch nothing; deploy what is here", optional: true, withNegated: false },
  noDeploy: { kind: "boolean", brief: "Fetch only; deploy nothing", optional: true, withNegated: false },
  noDeps: { kind: "boolean", brief: "Leave the runtimes of apps alone", optional: true, withNegated: false },
  noStaticDeltas: { kind: "boolean", brief: "Accepted; has no effect", optional: true, withNegated: false },
  includeSdk: { kind: "boolean", brief: "Install the Sdk as well", optional: true, withNegated: false },
  includeDebug: { kind: "boolean", brief: "Install debug information as well", optional: true, withNegated: false },
  sideloadRepo: {
    kind: "parsed",
    parse: text,
    brief: "Take images from this OCI layout where it has them",
    placeholder: "PATH",
    optional: true,
    variadic: true,
  },
  subpath: {
    kind: "parsed",
    parse: text,
    brief: "Deploy only this folder of the named refs; empty for all",
    placeholder: "PATH",
    optional: true,
    variadic: true,
  },
} as const;

export interface ChangeFlags extends SelectionFlags, TransactionFlags {
  readonly noRelated?: boolean;
}

export interface FetchFlags extends ChangeFlags {
  readonly noPull?: boolean;
  readonly noDeploy?: boolean;
  readonly noStaticDeltas?: boolean;
  readonly sideloadRepo?: readonly string[];
  readonly subpath?: readonly string[];
  readonly noDeps?: boolean;
  readonly includeSdk?: boolean;
  readonly includeDebug?: boolean;
}

export const changeAliases = { ...selectionAliases, y: "assumeyes" } as const;

/** The part of a plan's options that these options set. */
export function planOptions({ noDeps, noRelated, includeSdk, includeDebug, subpath }: FetchFlags) {
  const isSet = (flag: boolean | undefined): boolean => flag === true;
  return {
    noDeps: isSet(noDeps),
    noRelated: isSet(noRelated),
    includeSdk: isSet(includeSdk),
    includeDebug: isSet(includeDebug),
    subpaths: subpath === undefined ? undefined : parseSubpaths(subpath),
  };
}

/** An option that takes a text. */
export function textFlag(brief: string, placeholder: string) {
  return { kind: "parsed", parse: text, brief, placeholder, optional: true } as const;
}

function parseSeconds(input: string): number {
  if (/^[0-9]{1,6}$/.test(input)) return Number(input) * 1000;
  throw new DowelError("USAGE", `--linger=${input}: there must be a number of seconds`);
}

/** How long a service stays without work; in milliseconds, given in seconds. */
export function lingerFlag(brief: string) {
  return { kind: "parsed", parse: parseSeconds, brief, placeholder: "SECONDS", optional: true } as const;
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
