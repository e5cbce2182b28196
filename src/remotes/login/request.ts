// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { DowelError, isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { BusCallError, busErrors } from "../../dbus/errors.ts";
import { signatureOf } from "../../dbus/interface.ts";
import type { Message } from "../../dbus/message.ts";
import type { BusPeer } from "../../dbus/peer.ts";
import { type Variant, variant } from "../../formats/dbus/types.ts";
import type { EventLoop } from "../../loop/loop.ts";
import type { BearerToken } from "../../oci/client/token.ts";
import { readPage, readResponse, senseless } from "./answer.ts";
import { authenticatorPath, authenticatorShape, requestPath, requestShape } from "./interface.ts";

/** A person who logs in. */
export interface Person {
  /** User and password for a realm; undefined where nobody answers. */
  readonly askPassword: (realm: string) => { readonly user: string; readonly password: string } | undefined;
  /** Shows the page of an address, on which the login goes on. */
  readonly showPage: (address: string) => void;
}

export interface TokenRequest {
  /** The authenticator's name on the bus. */
  readonly authenticator: string;
  readonly options: ReadonlyMap<string, string>;
  readonly remote: string;
  readonly remoteUrl: string;
  /** The registry that the tokens are for, `http(s)://HOST[:PORT]/`. */
  readonly registry: string;
  readonly refs: readonly { readonly ref: string; readonly commit: string; readonly tokenType: number }[];
  /** Undefined where nobody is to be disturbed. */
  readonly person: Person | undefined;
  /** How long nothing may be heard while no person is waited for; two minutes where it is left out. */
  readonly patienceMilliseconds?: number;
  readonly signal?: AbortSignal | undefined;
}

/** One request on its way. */
class Conversation implements Disposable {
  readonly #peer: BusPeer;
  readonly #wish: TokenRequest;
  readonly #token: string;
  readonly #path: string;
  readonly #asked: ReadonlySet<string>;
  readonly #result = Promise.withResolvers<ReadonlyMap<string, BearerToken>>();
  readonly #loop: EventLoop;
  #questions = 0;
  #clock: Disposable | undefined;

  constructor(peer: BusPeer, loop: EventLoop, wish: TokenRequest) {
    this.#peer = peer;
    this.#wish = wish;
    this.#loop = loop;
    this.#token = `dowel_${randomUUID().replaceAll("-", "")}`;
    this.#path = requestPath(peer.name, this.#token);
    this.#asked = new Set(wish.refs.map(({ ref }) => ref));
    this.#result.promise.catch(() => undefined);
  }

  #fail(error: unknown): void {
    this.#result.reject(error);
    this.#loop.yield();
  }

  /** Waits for a word of the authenticator's; a person may take longer, but not for ever. */
  #await(person = false): void {
    const { patienceMilliseconds = limits.authenticatorMilliseconds, authenticator } = this.#wish;
    const milliseconds = person ? limits.authenticatorPersonMilliseconds : patienceMilliseconds;
    this.#clock?.[Symbol.dispose]();
    this.#clock = this.#loop.after(milliseconds, () => {
      const text = `The authenticator ${authenticator} did not answer within ${milliseconds / 1000} s`;
      this.#fail(new DowelError("AUTHENTICATOR_UNREACHABLE", text));
    });
  }

  async run(): Promise<ReadonlyMap<string, BearerToken>> {
    const { authenticator: sender, signal } = this.#wish;
    const rule = { sender, path: this.#path, interface: requestShape.name };
    using _signals = await this.#peer.listen(rule, (message) => this.#hear(message));
    using _owner = await this.#peer.watchOwner(sender, (owner) => {
      if (owner !== "") return;
      this.#fail(new DowelError("AUTHENTICATOR_UNREACHABLE", `The authenticator ${sender} has gone away`));
    });
    const cancelled = (): void => this.#fail(new DowelError("ABORTED", "The operation was cancelled"));
    signal?.addEventListener("abort", cancelled, { once: true });
    try {
      this.#await();
      const failed = this.#start().catch((error: unknown) => this.#fail(error));
      const tokens = await this.#result.promise;
      await failed;
      return tokens;
    } catch (error) {
      this.#call("Close", []).catch(() => undefined);
      throw error;
    } finally {
      signal?.removeEventListener("abort", cancelled);
    }
  }

  async #start(): Promise<void> {
    const { authenticator, options, remote, remoteUrl, registry, refs, person, signal } = this.#wish;
    const own = new Map([...options].map(([name, value]): [string, Variant] => [name, variant("s", value)]));
    const given = new Map<string, Variant>([["xa.oci-registry-uri", variant("s", registry)]]);
    if (person === undefined) given.set("no-interaction", variant("b", true));
    const wanted = refs.map(({ ref, commit, tokenType }) => [ref, commit, tokenType, new Map<string, Variant>()]);
    const [handle] = await this.#peer.call(
      {
        ...{ destination: authenticator, path: authenticatorPath, interface: authenticatorShape.name },
        member: "RequestRefTokens",
        signature: signatureOf(authenticatorShape.methods.RequestRefTokens.in),
        values: [this.#token, own, remote, remoteUrl, wanted, given, ""],
        returns: "o",
      },
      { signal, timeoutMilliseconds: Number.POSITIVE_INFINITY },
    );
    if (handle !== this.#path) throw senseless(authenticator, "with a request that is not this one");
  }

  #hear({ member, signature, values }: Message): void {
    try {
      const wanted = Object.entries(requestShape.signals).find(([name]) => name === member)?.[1];
      if (wanted === undefined) return;
      if (values === undefined || signature !== signatureOf(wanted)) {
        throw senseless(
          this.#wish.authenticator,
          `with a ${member} of type '${signature}', not '${signatureOf(wanted)}'`,
        );
      }
      this.#take(member, values);
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(member: string, values: readonly unknown[]): void {
    const { authenticator } = this.#wish;
    switch (member) {
      case "Webflow":
        this.#someone().showPage(readPage(authenticator, values[0]));
        this.#await(true);
        break;
      case "WebflowDone":
        this.#await();
        break;
      case "BasicAuth": {
        const answer = this.#someone().askPassword(String(values[0]));
        if (answer === undefined) throw new DowelError("ABORTED", `The login by ${authenticator} was not answered`);
        this.#await();
        const reply = this.#call("BasicAuthReply", [answer.user, answer.password, new Map()]);
        reply.catch((error: unknown) => this.#fail(error));
        break;
      }
      default:
        this.#result.resolve(
          readResponse(authenticator, this.#asked, values as readonly [number, ReadonlyMap<string, Variant>]),
        );
        this.#loop.yield();
    }
  }

  /** Who may be asked. Throws where nobody may, or has been asked often enough. */
  #someone(): Person {
    const { person, authenticator } = this.#wish;
    if (person === undefined) {
      throw new DowelError("AUTHENTICATOR_REFUSED", `The authenticator ${authenticator} wants a person to log in`, {
        hint: "Run the same command on a terminal, without --noninteractive.",
      });
    }
    if (++this.#questions > limits.authenticatorQuestions) {
      throw new DowelError(
        "AUTHENTICATOR_REFUSED",
        `The authenticator ${authenticator} has asked ${limits.authenticatorQuestions} times and gives no access`,
      );
    }
    return person;
  }

  async #call(member: keyof typeof requestShape.methods, values: readonly unknown[]): Promise<void> {
    const { authenticator: destination } = this.#wish;
    const signature = signatureOf(requestShape.methods[member].in);
    const { name } = requestShape;
    await this.#peer.call({ destination, path: this.#path, interface: name, member, signature, values });
  }

  [Symbol.dispose](): void {
    this.#clock?.[Symbol.dispose]();
  }
}

/** The errors of a bus that knows nobody of a name and cannot start anybody either. */
const nobody = ["ServiceUnknown", "NameHasNoOwner", "Spawn.ServiceNotFound"].map(
  (name) => `org.freedesktop.DBus.Error.${name}`,
);

/**
 * Asks an authenticator on the session bus for the tokens of refs (`org.freedesktop.Flatpak.Authenticator`); refs for which
 * it has none are left out. Throws `AUTHENTICATOR_UNREACHABLE`,
 * `AUTHENTICATOR_REFUSED`, `AUTHENTICATOR_ANSWER` or `ABORTED`; its request is closed then.
 */
export async function requestTokens(
  peer: BusPeer,
  loop: EventLoop,
  wish: TokenRequest,
): Promise<ReadonlyMap<string, BearerToken>> {
  using conversation = new Conversation(peer, loop, wish);
  try {
    return await conversation.run();
  } catch (error) {
    if (!isDowelError(error, "BUS_CALL_FAILED") || !(error instanceof BusCallError)) throw error;
    const { authenticator, remote } = wish;
    const text = nobody.includes(error.errorName)
      ? `Nothing on the session bus is named ${authenticator}, which logs in to the remote ${remote}`
      : `The authenticator ${authenticator} fails: ${error.message}`;
    const hint =
      error.errorName === busErrors.accessDenied
        ? {}
        : { hint: "Install it, or see remote-modify --authenticator-name." };
    throw new DowelError("AUTHENTICATOR_UNREACHABLE", text, { ...hint, cause: error });
  }
}
