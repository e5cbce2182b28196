// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { DowelError } from "../base/errors.ts";
import { login, parseLoginTarget } from "../oci/client/login.ts";
import { askSecret, askText } from "../render/prompt.ts";
import type { Result } from "../render/result.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { switchFlag, textArgument, textFlag } from "./flags.ts";

interface Flags {
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
  readonly authfile?: string;
}

function missing(what: string, option: string): DowelError {
  return new DowelError("USAGE", `${what} is missing, and nobody can be asked here`, { hint: `Give ${option}.` });
}

async function run(context: Context, flags: Flags, registry: string): Promise<Result> {
  const target = parseLoginTarget(registry);
  const { terminal, signal } = context;
  const user = flags.username ?? askText(terminal, "User: ");
  if (user === undefined || user === "") throw missing("The user's name", "--username");
  const given = flags.passwordStdin === true ? readFileSync(0, "utf8").replace(/\r?\n$/, "") : flags.password;
  const password = given ?? askSecret(terminal, "Password: ");
  if (password === undefined) throw missing("The password", "--password-stdin");
  const place = await login(target, { user, password }, { authFile: flags.authfile, signal });
  return { kind: "text", text: `Logged in to ${target.key}; kept in ${place}\n` };
}

export default defineCommand<Flags, [string]>({
  brief: "Log in to a registry",
  description:
    "Checks the credentials and keeps them where other programs for containers find them, too: in the first auth.json of containers-auth.json(5), or with the helper that it names.",
  examples: [
    ["login registry.example.org", "asks for user and password"],
    [
      "login -u me --password-stdin registry.example.org/apps",
      "takes the password for one namespace from standard input",
    ],
  ],
  parameters: {
    flags: {
      username: textFlag("User", "NAME"),
      password: textFlag("Password; others can see it in the list of processes", "TEXT"),
      passwordStdin: switchFlag("Read the password from standard input"),
      authfile: textFlag("File to keep the credentials in", "FILE"),
    },
    aliases: { u: "username", p: "password" },
    positional: { kind: "tuple", parameters: [textArgument("Registry, or a namespace of it", "REGISTRY")] },
  },
  run,
});
