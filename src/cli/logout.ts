// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { logout, parseLoginTarget } from "../oci/client/login.ts";
import type { Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { textArgument, textFlag } from "./flags.ts";

interface Flags {
  readonly authfile?: string;
}

async function run(context: Context, flags: Flags, registry: string): Promise<Result> {
  const target = parseLoginTarget(registry);
  const found = await logout(target, { authFile: flags.authfile, signal: context.signal });
  if (!found) throw new DowelError("CREDENTIALS_NOT_FOUND", `No credentials for ${target.key} are kept`);
  return { kind: "text", text: `Logged out of ${target.key}\n` };
}

export default defineCommand<Flags, [string]>({
  brief: "Forget the credentials for a registry",
  examples: [["logout registry.example.org", "removes them from all files that are looked at"]],
  parameters: {
    flags: { authfile: textFlag("File to remove the credentials from", "FILE") },
    positional: { kind: "tuple", parameters: [textArgument("Registry, or a namespace of it", "REGISTRY")] },
  },
  run,
});
