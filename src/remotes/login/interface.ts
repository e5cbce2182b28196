// SPDX-License-Identifier: Apache-2.0
import type { InterfaceShape } from "../../dbus/interface.ts";

/** Where an authenticator has its object, under whatever name it has on the bus. */
export const authenticatorPath = "/org/freedesktop/Flatpak/Authenticator";

/** Flatpak's interface of programs that get tokens for a remote (version 1). */
export const authenticatorShape = {
  name: "org.freedesktop.Flatpak.Authenticator",
  methods: {
    RequestRefTokens: {
      in: "s handle_token, a{sv} authenticator_options, s remote, s remote_uri, a(ssia{sv}) refs, a{sv} options, s parent_window",
      out: "o handle",
    },
  },
  properties: { version: "u" },
} as const satisfies InterfaceShape;

/** What a request goes through until its `Response`: 0 done, 1 cancelled, 2 failed. */
export const requestShape = {
  name: "org.freedesktop.Flatpak.AuthenticatorRequest",
  methods: {
    Close: { in: "", out: "" },
    BasicAuthReply: { in: "s user, s password, a{sv} options", out: "" },
  },
  signals: {
    Webflow: "s uri, a{sv} options",
    WebflowDone: "a{sv} options",
    BasicAuth: "s realm, a{sv} options",
    Response: "u response, a{sv} results",
  },
} as const satisfies InterfaceShape;

/** The path of the request that a call with a handle token makes, from the caller's unique name. */
export function requestPath(caller: string, token: string): string {
  return `${authenticatorPath}/request/${caller.slice(1).replaceAll(".", "_")}/${token}`;
}
