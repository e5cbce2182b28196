// SPDX-License-Identifier: Apache-2.0
import { escapeForTerminal } from "../base/text.ts";
import { openPage } from "../engine/webpage.ts";
import type { Person } from "../remotes/login/request.ts";
import { askSecret, askText } from "../render/prompt.ts";
import type { Context } from "./context.ts";
import type { FetchFlags } from "./flags.ts";

/** Who logs in to a remote where its authenticator asks; undefined where nobody is to be disturbed. */
export function personFor({ terminal }: Context, flags: FetchFlags): Person | undefined {
  if (flags.noninteractive === true || flags.json === true) return undefined;
  return {
    askPassword: (realm) => {
      const user = askText(terminal, `Log in to ${escapeForTerminal(realm)}\nUser: `);
      const password = user === undefined ? undefined : askSecret(terminal, "Password: ");
      return user === undefined || password === undefined ? undefined : { user, password };
    },
    showPage: (address) => {
      terminal.err(`To log in, open this page in a browser:\n  ${escapeForTerminal(address)}\n`);
      openPage(address, process.env);
    },
  };
}
