// SPDX-License-Identifier: Apache-2.0
import type { Result } from "../render/result.ts";
import { candidatesFor } from "./completion/candidates.ts";
import { splitLine } from "./completion/line.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { textArgument } from "./flags.ts";

async function run(context: Context, _flags: object, ...[line = "", point = ""]: string[]): Promise<Result> {
  const end = /^[0-9]{1,9}$/.test(point) ? Number(point) : line.length;
  const candidates = await candidatesFor(splitLine(line, end), context.set);
  return { kind: "text", text: candidates.map((word) => `${word}\n`).join("") };
}

export default defineCommand<object, string[]>({
  brief: "Print what may stand at the cursor of a command line, for shells",
  description: "Takes the line, the cursor's place in it, and the word at the cursor, which is not needed.",
  examples: [["complete 'dowel inst' 10 inst", "prints 'install '"]],
  parameters: { positional: { kind: "array", parameter: textArgument("Line, place, word", "LINE POINT [WORD]") } },
  readsItsOptions: true,
  run,
});
