// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { DowelError, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Result } from "../../render/result.ts";
import type { PrintedPolicy } from "../../session/service/policy.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { execute } from "../execute.ts";
import busPolicy from "./bus-policy.ts";

function isStart(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((word) => typeof word === "string");
}

function readStarts(): readonly (readonly string[])[] {
  const expected = "there must be a JSON list of lists of words";
  let text: string;
  try {
    text = readFileSync(0, "utf8");
  } catch (error) {
    throw fileError(error, "read", "standard input");
  }
  if (text.length > limits.busPoliciesBytes) throw new DowelError("LIMIT_EXCEEDED", "Standard input is too long");
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every(isStart)) return value;
  } catch (cause) {
    throw new DowelError("USAGE", `Standard input is no JSON; ${expected}`, { cause });
  }
  throw new DowelError("USAGE", `Standard input is something else: ${expected}`);
}

/** What `plumbing bus-policy` prints for one start, or says of it. */
async function policyOf(context: Context, start: readonly string[]): Promise<PrintedPolicy | { error: string }> {
  const [printed, said]: [string[], string[]] = [[], []];
  const terminal = {
    ...context.terminal,
    out: (text: string) => void printed.push(text),
    err: (text: string) => void said.push(text),
  };
  const name = "plumbing bus-policy";
  const words = [...name.split(" "), ...start];
  const status = await execute(name, busPolicy, start, { words, terminal, signal: context.signal, set: context.set });
  return status === 0 ? (JSON.parse(printed.join("")) as PrintedPolicy) : { error: said.join("") };
}

async function run(context: Context): Promise<Result> {
  const value: (PrintedPolicy | { error: string })[] = [];
  for (const start of readStarts()) {
    context.signal.throwIfAborted();
    value.push(await policyOf(context, start));
  }
  return { kind: "json", value };
}

export default defineCommand<object, []>({
  brief: "Print what apps would be allowed on the buses, as JSON, for starts on standard input",
  description:
    "Standard input is a JSON list of starts, each a list of the words behind run. The answers are in their order: what plumbing bus-policy prints, or { error }.",
  examples: [["plumbing bus-policies < starts.json", "prints the rules of all starts of a file"]],
  parameters: { flags: {}, positional: { kind: "tuple", parameters: [] } } as never,
  run,
});
