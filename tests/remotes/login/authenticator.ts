// SPDX-License-Identifier: Apache-2.0
// A program that logs in to a remote, as a peer on a bus. By itself: authenticator.ts BUS NAME WAY

import { implement } from "../../../src/dbus/interface.ts";
import { BusPeer } from "../../../src/dbus/peer.ts";
import { parseBusAddress } from "../../../src/formats/dbus/address.ts";
import { type Variant, variant } from "../../../src/formats/dbus/types.ts";
import { EventLoop } from "../../../src/loop/loop.ts";
import {
  authenticatorPath,
  authenticatorShape,
  requestPath,
  requestShape,
} from "../../../src/remotes/login/interface.ts";

export interface Asked {
  readonly options: ReadonlyMap<string, Variant>;
  readonly remote: string;
  readonly url: string;
  readonly refs: readonly (readonly [string, string, number, ReadonlyMap<string, Variant>])[];
  readonly extra: ReadonlyMap<string, Variant>;
}

/** One request, as the authenticator has it. */
export interface Login {
  readonly asked: Asked;
  /** Sends a signal of the request. */
  readonly tell: (member: keyof typeof requestShape.signals, values: readonly unknown[]) => void;
  /** Ends it with one token for refs; all that were asked for where none are given. */
  readonly give: (token: string, refs?: readonly string[]) => void;
}

export interface Ways {
  readonly begin: (login: Login) => void;
  readonly password?: (login: Login, user: string, password: string) => void;
  readonly closed?: () => void;
  /** Another path than the right one, to answer with. */
  readonly handle?: string;
}

/** Puts an authenticator on the bus. */
export async function serveAuthenticator(peer: BusPeer, name: string, ways: () => Ways): Promise<void> {
  const request = implement(authenticatorShape, {
    methods: {
      RequestRefTokens({ sender }, token, options, remote, url, refs, extra) {
        const path = requestPath(sender, token);
        const { begin, password, closed, handle } = ways();
        const asked = { options, remote, url, refs, extra } as Asked;
        const tell: Login["tell"] = (member, values) => peer.emit(path, requestShape, member, values, sender);
        const give: Login["give"] = (text, wanted = asked.refs.map(([ref]) => ref)) =>
          tell("Response", [0, new Map([["tokens", variant("a{sas}", new Map([[text, [...wanted]]]))]])]);
        const login = { asked, tell, give };
        const object = implement(requestShape, {
          methods: {
            Close: () => {
              closed?.();
              return [];
            },
            BasicAuthReply: (_call, user, secret) => {
              password?.(login, user, secret);
              return [];
            },
          },
        });
        peer.objects.export(path, object);
        begin(login);
        return [handle ?? path];
      },
    },
    properties: { version: () => 1 },
  });
  peer.objects.export(authenticatorPath, request);
  const outcome = await peer.requestName(name);
  if (outcome !== "owner") throw new Error(`${name} is ${outcome}`);
}

/** What the program by itself does, by a word. */
const programs: Readonly<Record<string, (login: Login) => void>> = {
  token: ({ give }) => give("the-secret"),
  wrong: ({ give }) => give("another-secret"),
  deny: ({ tell }) => tell("Response", [2, new Map([["error-message", variant("s", "you have not\npaid")]])]),
  cancel: ({ tell }) => tell("Response", [1, new Map()]),
  page: ({ tell, give, asked }) => {
    if (asked.extra.has("no-interaction")) return tell("Response", [2, new Map()]);
    tell("Webflow", ["https://example.org/login?a=1", new Map()]);
    tell("WebflowDone", [new Map()]);
    give("the-secret");
  },
  never: () => undefined,
};

if (import.meta.main) {
  const [address = "", name = "", way = ""] = process.argv.slice(2);
  const loop = new EventLoop();
  const serve = async (): Promise<void> => {
    const peer = await BusPeer.connect(loop, parseBusAddress(address));
    const begin = (login: Login): void => {
      const { asked } = login;
      const options = [...asked.options].map(([key, { value }]) => [key, value]);
      const extra = [...asked.extra].map(([key, { value }]) => [key, value]);
      process.stdout.write(`${JSON.stringify({ ...asked, options, extra })}\n`);
      programs[way]?.(login);
    };
    await serveAuthenticator(peer, name, () => ({ begin, closed: () => process.stdout.write('"closed"\n') }));
    process.stdout.write('"ready"\n');
    await new Promise(() => undefined);
  };
  await loop.runUntil(serve());
}
