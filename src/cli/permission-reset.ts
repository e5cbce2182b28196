// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { nothing, type Result } from "../render/result.ts";
import { permissionTables } from "../session/permissions/files.ts";
import { resetPermissions, withPermissionStore } from "../session/permissions/store.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { switchFlag, textArgument } from "./flags.ts";

interface Flags {
  readonly all?: boolean;
}

async function run({ signal }: Context, flags: Flags, app?: string): Promise<Result> {
  if ((app === undefined) === (flags.all !== true)) {
    throw new DowelError("USAGE", "Name an app, or give --all", { hint: "See 'dowel permission-reset --help'" });
  }
  const tables = permissionTables(process.env);
  await withPermissionStore(process.env, signal, (store) => resetPermissions(store, tables, app));
  return nothing;
}

export default defineCommand<Flags, string[]>({
  brief: "Remove all that an app may do through portals",
  examples: [
    ["permission-reset org.example.App", "forgets all that was decided for the app"],
    ["permission-reset --all", "forgets it for all apps"],
  ],
  parameters: {
    flags: { all: switchFlag("For all apps") },
    positional: { kind: "array", parameter: textArgument("Id of the app", "APP"), maximum: 1 },
  },
  run,
});
