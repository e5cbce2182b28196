// SPDX-License-Identifier: Apache-2.0
import { parseVariant } from "../formats/gvariant/text.ts";
import { nothing, type Result } from "../render/result.ts";
import { withPermissionStore } from "../session/permissions/store.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { textArgument, textFlag } from "./flags.ts";

interface Flags {
  readonly data?: string;
}

async function run({ signal }: Context, flags: Flags, ...words: readonly string[]): Promise<Result> {
  const [table = "", id = "", app = "", ...permissions] = words;
  const data = flags.data === undefined ? undefined : parseVariant(flags.data);
  await withPermissionStore(process.env, signal, async (store) => {
    await store.set(table, id, app, permissions);
    if (data !== undefined) await store.setData(table, id, data);
  });
  return nothing;
}

export default defineCommand<Flags, string[]>({
  brief: "Set what an app may do through a portal",
  description: "Takes the place of what the app had for that id. Most portals know yes, no and ask.",
  examples: [
    ["permission-set devices camera org.example.App yes", "lets the app use the camera without a question"],
    ["permission-set background background org.example.App no", "does not let it run in the background"],
    ["permission-set --data=\"{'seen': <true>}\" location location org.example.App EXACT 0", "keeps a value besides"],
  ],
  parameters: {
    flags: { data: textFlag("Keep a value with the id, in GLib's text form", "VALUE") },
    positional: {
      kind: "array",
      parameter: textArgument("Table, id, app, then permissions", "TABLE ID APP [PERMISSION]"),
      minimum: 3,
    },
  },
  run,
});
