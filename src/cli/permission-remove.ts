// SPDX-License-Identifier: Apache-2.0
import { nothing, type Result } from "../render/result.ts";
import { withPermissionStore } from "../session/permissions/store.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { textArgument } from "./flags.ts";

async function run({ signal }: Context, _flags: object, ...words: readonly string[]): Promise<Result> {
  const [table = "", id = "", app] = words;
  await withPermissionStore(process.env, signal, (store) => store.remove(table, id, app));
  return nothing;
}

export default defineCommand<object, string[]>({
  brief: "Remove an entry of the permission store",
  examples: [
    ["permission-remove devices camera org.example.App", "forgets what was decided for the app"],
    ["permission-remove devices camera", "forgets it for all apps"],
  ],
  parameters: {
    flags: {},
    positional: {
      kind: "array",
      parameter: textArgument("Table, id, then an app", "TABLE ID [APP]"),
      minimum: 2,
      maximum: 3,
    },
  },
  run,
});
