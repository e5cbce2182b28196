// SPDX-License-Identifier: Apache-2.0
import { nothing, type Result } from "../render/result.ts";
import { withPermissionStore } from "../session/permissions/store.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { textArgument } from "./flags.ts";

async function run({ signal }: Context, _flags: object, ...words: readonly string[]): Promise<Result> {
  const [table = "", id = "", app = "", ...permissions] = words;
  await withPermissionStore(process.env, signal, (store) => store.set(table, id, app, permissions));
  return nothing;
}

export default defineCommand<object, string[]>({
  brief: "Set what an app may do through a portal",
  description: "Takes the place of what the app had for that id. Most portals know yes, no and ask.",
  examples: [
    ["permission-set devices camera org.example.App yes", "lets the app use the camera without a question"],
    ["permission-set background background org.example.App no", "does not let it run in the background"],
  ],
  parameters: {
    flags: {},
    positional: {
      kind: "array",
      parameter: textArgument("Table, id, app, then permissions", "TABLE ID APP [PERMISSION]"),
      minimum: 3,
    },
  },
  run,
});
