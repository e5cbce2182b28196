// SPDX-License-Identifier: Apache-2.0
import { Decoder } from "../../base/decode.ts";
import { DowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { keepSecret } from "../../base/secrets.ts";
import { decodeUtf8 } from "../../base/text.ts";
import { collect } from "../verify.ts";
import { parseChallenges } from "./challenge.ts";
import type { CredentialLookup, Credentials } from "./credentials.ts";
import type { BearerToken } from "./token.ts";
import { redactUrl } from "./url.ts";

/** Sends one request, with no credentials of its own; redirects come back as answers. */
export type Send = (url: URL, init: RequestInit, signal: AbortSignal | undefined) => Promise<Response>;

type Mode = { kind: "none" } | { kind: "basic" } | { kind: "bearer"; realm: URL; service: string | undefined };

/** Characters of a token that cannot be guessed. */
const shortestSecretToken = 16;

interface CachedToken {
  readonly token: string;
  /** performance.now() milliseconds */
  readonly until: number;
}

/**
 * Credentials of one registry: learns from its challenges how it wants them, and keeps tokens by scope
 * (Docker token authentication, as the distribution project describes it).
 */
export class Authenticator {
  readonly #base: URL;
  readonly #lookup: CredentialLookup;
  readonly #send: Send;
  readonly #tokens = new Map<string, Promise<CachedToken>>();
  readonly #token: BearerToken | undefined;
  #mode: Mode = { kind: "none" };

  /** With a token, nothing else is given. */
  constructor(base: URL, lookup: CredentialLookup, send: Send, token?: BearerToken) {
    this.#token = token;
    this.#base = base;
    this.#lookup = lookup;
    this.#send = send;
  }

  /** The value of the `Authorization` header for a request of these scopes; undefined for none. */
  async header(scopes: readonly string[], signal: AbortSignal | undefined): Promise<string | undefined> {
    if (this.#token !== undefined) return this.#token.header;
    const mode = this.#mode;
    if (mode.kind === "none") return undefined;
    if (mode.kind === "basic") {
      const credentials = await this.#credentials(scopes);
      return credentials === undefined ? undefined : basic(credentials);
    }
    const key = scopes.join(" ");
    const known = await this.#tokens.get(key)?.catch(() => undefined);
    if (known !== undefined && known.until > performance.now()) return `Bearer ${known.token}`;
    const fetched = this.#fetchToken(mode.realm, mode.service, scopes, signal);
    this.#tokens.set(key, fetched);
    return `Bearer ${(await fetched).token}`;
  }

  /** Learns from a 401 answer. False where the registry asks for nothing that could be given. */
  async learn(answer: Response, scopes: readonly string[]): Promise<boolean> {
    if (this.#token !== undefined) return false;
    const challenges = parseChallenges(answer.headers.get("www-authenticate") ?? "");
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer !== undefined) {
      this.#mode = {
        kind: "bearer",
        realm: this.#realm(bearer.parameters.get("realm") ?? ""),
        service: bearer.parameters.get("service"),
      };
      this.#tokens.delete(scopes.join(" "));
      return true;
    }
    if (!challenges.some(({ scheme }) => scheme === "basic")) return false;
    this.#mode = { kind: "basic" };
    return (await this.#credentials(scopes)) !== undefined;
  }

  #realm(text: string): URL {
    const realm = URL.canParse(text) ? new URL(text) : undefined;
    if (realm === undefined || !["https:", "http:"].includes(realm.protocol)) {
      throw new DowelError("REGISTRY_RESPONSE", `${redactUrl(this.#base)}: names no address to get a token from`);
    }
    if (realm.protocol === "http:" && this.#base.protocol === "https:") {
      throw new DowelError(
        "REGISTRY_RESPONSE",
        `${redactUrl(this.#base)}: wants credentials sent in the clear to ${redactUrl(realm)}`,
      );
    }
    return realm;
  }

  async #credentials(scopes: readonly string[]): Promise<Credentials | undefined> {
    const found = await this.#lookup(this.#base.host, scopes[0]?.split(":")[1] ?? "");
    if (found === undefined) return undefined;
    for (const text of [basic(found).slice("Basic ".length), found.password]) keepSecret(text);
    if (found.identityToken !== undefined) keepSecret(found.identityToken);
    return found;
  }

  async #fetchToken(
    realm: URL,
    service: string | undefined,
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<CachedToken> {
    const credentials = await this.#credentials(scopes);
    const { url, init } = tokenRequest(realm, service, scopes, credentials);
    const answer = await this.#send(url, init, signal);
    const what = `Token from ${redactUrl(realm)}`;
    if (answer.status !== 200) {
      await answer.body?.cancel();
      throw new DowelError("REGISTRY_AUTH", `${what}: refused with status ${answer.status}`, {
        hint:
          credentials === undefined
            ? "No credentials are stored for this registry; log in first."
            : "Check the stored credentials.",
      });
    }
    const body = answer.body === null ? new Uint8Array() : await collect(answer.body, limits.registryErrorBytes, what);
    const read = readToken(body, what);
    // A shorter one may be a word by which a registry would take the sense out of messages.
    if (read.token.length >= shortestSecretToken) keepSecret(read.token);
    return read;
  }
}

function tokenRequest(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  credentials: Credentials | undefined,
): { url: URL; init: RequestInit } {
  const url = new URL(realm);
  if (credentials?.identityToken !== undefined) {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      client_id: "dowel",
      refresh_token: credentials.identityToken,
    });
    if (service !== undefined) form.set("service", service);
    form.set("scope", scopes.join(" "));
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return { url, init: { method: "POST", body: form.toString(), headers } };
  }
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (credentials === undefined) return { url, init: {} };
  url.searchParams.set("account", credentials.user);
  return { url, init: { headers: { authorization: basic(credentials) } } };
}

function readToken(body: Uint8Array, what: string): CachedToken {
  const decoder = new Decoder("REGISTRY_RESPONSE", what);
  const object = decoder.object(decoder.parse(decodeUtf8(body) ?? decoder.fail("", "UTF-8 text")), "");
  const token = decoder.string(object["token"] ?? object["access_token"], "token");
  if (!/^[\x21-\x7e]+$/.test(token)) decoder.fail("token", "printable ASCII");
  const seconds = decoder.optional(object["expires_in"], (value) => decoder.size(value, "expires_in")) ?? 60;
  // a token about to end is not worth a request
  return { token, until: performance.now() + Math.max(0, Math.min(seconds, 3600) - 10) * 1000 };
}

function basic({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}
