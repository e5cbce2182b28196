// SPDX-License-Identifier: Apache-2.0
import type { Bus } from "../metadata/permissions/names.ts";
import { busOptionsOf } from "../sandbox/spec/bus-options.ts";
import type { BusSpecification } from "../sandbox/spec/types.ts";
import { applyOption, noRules, type SocketRules } from "./proxy/options.ts";

function rulesOf(options: readonly string[]): SocketRules {
  const rules = noRules();
  for (const option of options) applyOption(rules, option);
  return rules;
}

export interface Explanation {
  readonly bus: Bus;
  readonly name: string;
  readonly may: "nothing" | "see" | "talk" | "own" | "everything";
  /** The options of `run` and `override` that say so; rules as `--call=NAME=RULE`. */
  readonly because: readonly string[];
  /** The option that would let the app talk to the name; undefined where it may. */
  readonly allow: string | undefined;
}

/** As it is said on the command line. */
function typed(option: string): string {
  return option.startsWith("--ask=") ? `--add-policy=services.use=${option.slice("--ask=".length)}` : option;
}

const levels = ["nothing", "see", "talk", "own"] as const;
const talkOption: Readonly<Record<Bus, string>> = {
  session: "--talk-name",
  system: "--system-talk-name",
  a11y: "--a11y-own-name",
};

/** What an app may do with a name on one bus, and why. Pure. */
export function explainName(bus: Bus, specification: BusSpecification, name: string): Explanation {
  if (specification.access === "whole") {
    return { bus, name, may: "everything", because: [`--socket=${bus}-bus`], allow: undefined };
  }
  const options = busOptionsOf(bus, specification).filter((option) => option.includes("="));
  const because = options.filter((option) => rulesOf([option]).policy.levelOf(name) > 0);
  const may = levels[rulesOf(options).policy.levelOf(name)] ?? "nothing";
  const whole = may === "own" || because.some((option) => option.startsWith("--talk="));
  return { bus, name, may, because: because.map(typed), allow: whole ? undefined : `${talkOption[bus]}=${name}` };
}
