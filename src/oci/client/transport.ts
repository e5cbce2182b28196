// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from "node:timers/promises";
import { checkCancelled, DowelError, isDowelError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type Answer, describeRequest, discard, statusError } from "./answer.ts";
import { Authenticator, type Send } from "./auth.ts";
import { type CredentialLookup, credentialsFromFiles } from "./credentials.ts";
import { certificateFolders, readHostCertificates, type TlsSettings } from "./tls.ts";
import type { BearerToken } from "./token.ts";
import { mayPass, unreachable } from "./unreachable.ts";
import { redactUrl } from "./url.ts";

export interface TransportOptions {
  readonly credentials?: CredentialLookup;
  /** A token that goes with every request to the registry itself, instead of credentials. */
  readonly token?: BearerToken | undefined;
  readonly certificateFolders?: readonly string[];
  /** Attempts for one request before it counts as failed. Default 5. */
  readonly attempts?: number;
  /** First pause between attempts, in milliseconds; doubles each time. Default 250. */
  readonly pauseMilliseconds?: number;
  /** A connection that is silent for so long counts as lost, in milliseconds. Default 60 000. */
  readonly idleMilliseconds?: number;
}

export interface RequestSpec {
  readonly method: string;
  /** Absolute, or relative to the registry's base address. */
  readonly url: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Token scopes, as `repository:NAME:pull`. */
  readonly scopes: readonly string[];
  /** Statuses the caller wants to see; any other is thrown. */
  readonly expect: readonly number[];
  /** False where a second try could do harm once the registry has seen the request. Default true. */
  readonly repeatable?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Requests to one registry: redirects by hand, so that credentials stay with its origin; tokens; repeats with
 * growing pauses. Proxies are taken from `http_proxy`, `https_proxy` and `no_proxy` by `fetch` itself.
 */
export class Transport {
  readonly base: URL;
  readonly idleMilliseconds: number;
  readonly attempts: number;
  readonly #pause: number;
  readonly #auth: Authenticator;
  readonly #folders: readonly string[];
  readonly #tls = new Map<string, Promise<TlsSettings | undefined>>();

  /** `baseUrl` is what `v2/` is put after; it ends with a slash. */
  constructor(baseUrl: string, options: TransportOptions = {}) {
    this.base = new URL(baseUrl);
    this.attempts = options.attempts ?? 5;
    this.idleMilliseconds = options.idleMilliseconds ?? 60_000;
    this.#pause = options.pauseMilliseconds ?? 250;
    this.#folders = options.certificateFolders ?? certificateFolders();
    const lookup = options.credentials ?? credentialsFromFiles(process.env);
    const send: Send = (url, init, signal) => this.#sendRepeatedly(url, init, signal);
    this.#auth = new Authenticator(this.base, lookup, send, options.token);
  }

  get name(): string {
    return redactUrl(this.base);
  }

  /** Sends a request until there is an answer with an expected status; its body is the caller's to read or discard. */
  async request(spec: RequestSpec): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#attempt(spec, attempt);
      if (answer === undefined) continue;
      const { status } = answer.response;
      if (spec.expect.includes(status)) return answer;
      const again = spec.repeatable === false ? status === 429 : isTransient(status);
      if (!again || attempt >= this.attempts) throw await statusError(answer);
      const asked = retryAfter(answer.response);
      if (asked !== undefined && asked > limits.longestWaitMilliseconds) throw await tooLong(answer, asked);
      await discard(answer);
      await this.pause(attempt, spec.signal, asked);
    }
  }

  /** Waits before the next attempt: doubling, with jitter, or as long as the registry asked. */
  async pause(attempt: number, signal: AbortSignal | undefined, asked?: number): Promise<void> {
    const grown = this.#pause * 2 ** (attempt - 1) * (0.5 + Math.random());
    const milliseconds = Math.min(asked ?? grown, limits.longestWaitMilliseconds);
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    checkCancelled(signal);
  }

  /** One try with its redirects and its login. Undefined after a lost connection, where another try is due. */
  async #attempt(spec: RequestSpec, attempt: number): Promise<Answer | undefined> {
    try {
      const answer = await this.#follow(spec);
      if (answer.response.status !== 401 || spec.expect.includes(401)) return answer;
      // Who was redirected to must not say where the registry's credentials go.
      if (answer.url.origin !== this.base.origin) return answer;
      if (!(await this.#auth.learn(answer.response, spec.scopes))) return answer;
      await discard(answer);
      return await this.#follow(spec);
    } catch (error) {
      checkCancelled(spec.signal);
      const repeatable = spec.repeatable !== false && attempt < this.attempts;
      if (!isDowelError(error, "REGISTRY_UNREACHABLE") || !repeatable || !mayPass(error)) throw error;
      await this.pause(attempt, spec.signal);
      return undefined;
    }
  }

  async #follow(spec: RequestSpec): Promise<Answer> {
    let url = new URL(spec.url, this.base);
    const follows = spec.method === "GET" || spec.method === "HEAD";
    let isHome = true;
    for (let hops = 0; hops <= limits.redirects; hops++) {
      // Whoever sends a request back must not have it made with the credentials that were kept from him.
      isHome = isHome && url.origin === this.base.origin;
      const authorization = isHome ? await this.#auth.header(spec.scopes, spec.signal) : undefined;
      const headers = { ...spec.headers, ...(authorization === undefined ? {} : { authorization }) };
      const body = spec.body === undefined ? {} : { body: spec.body };
      const response = await this.#send(url, { method: spec.method, headers, ...body }, spec.signal);
      const answer = { response, url, what: describeRequest(spec.method, url) };
      if (!follows || ![301, 302, 303, 307, 308].includes(response.status)) return answer;
      await discard(answer);
      url = nextUrl(answer);
    }
    throw new DowelError(
      "REGISTRY_RESPONSE",
      `${describeRequest(spec.method, url)}: more than ${limits.redirects} redirects`,
    );
  }

  async #sendRepeatedly(url: URL, init: RequestInit, signal: AbortSignal | undefined): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.#send(url, init, signal).catch((error: unknown) => {
        const isLast = attempt >= this.attempts;
        if (!isDowelError(error, "REGISTRY_UNREACHABLE") || isLast || !mayPass(error)) throw error;
        return undefined;
      });
      const asked = response === undefined ? undefined : retryAfter(response);
      const isLast = attempt >= this.attempts || (asked ?? 0) > limits.longestWaitMilliseconds;
      if (response !== undefined && (!isTransient(response.status) || isLast)) return response;
      await response?.body?.cancel();
      await this.pause(attempt, signal, asked);
    }
  }

  async #send(url: URL, init: RequestInit, signal: AbortSignal | undefined): Promise<Response> {
    checkCancelled(signal);
    const tls = url.protocol === "https:" ? await this.#certificates(url.host) : undefined;
    const headers = { "user-agent": "dowel", "accept-encoding": "identity", ...init.headers };
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(new Error("no answer in time")), this.idleMilliseconds);
    try {
      return await fetch(url, {
        ...init,
        headers,
        redirect: "manual",
        decompress: false,
        signal: signal === undefined ? timeout.signal : AbortSignal.any([signal, timeout.signal]),
        ...(tls === undefined ? {} : { tls: { ...tls, ca: tls.ca === undefined ? undefined : [...tls.ca] } }),
      } as BunFetchRequestInit);
    } catch (cause) {
      checkCancelled(signal);
      throw unreachable(url, init.method ?? "GET", cause);
    } finally {
      clearTimeout(timer);
    }
  }

  #certificates(host: string): Promise<TlsSettings | undefined> {
    const known = this.#tls.get(host) ?? readHostCertificates(this.#folders, host);
    this.#tls.set(host, known);
    return known;
  }
}

/** The number of milliseconds that `Retry-After` asks for, in either of its forms. */
function retryAfter(response: Response): number | undefined {
  const text = response.headers.get("retry-after");
  if (text === null) return undefined;
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  // By the registry's own clock where it says what that shows: this machine's may be wrong.
  const stated = Date.parse(response.headers.get("date") ?? "");
  return Number.isNaN(date) ? undefined : Math.max(0, date - (Number.isNaN(stated) ? Date.now() : stated));
}

/** A registry may ask for more patience than a person has. */
async function tooLong(answer: Answer, milliseconds: number): Promise<DowelError> {
  await discard(answer);
  const seconds = Math.ceil(milliseconds / 1000);
  const text = `${answer.what}: status ${answer.response.status}, and no request is welcome for ${seconds} s`;
  return new DowelError("REGISTRY_UNREACHABLE", text, { hint: "Try again later; what was fetched is kept." });
}

function isTransient(status: number): boolean {
  return status === 429 || status === 408 || (status >= 500 && status !== 501 && status !== 505);
}

function nextUrl(answer: Answer): URL {
  const location = answer.response.headers.get("location") ?? "";
  const next = URL.canParse(location, answer.url.href) ? new URL(location, answer.url) : undefined;
  if (location === "" || next === undefined || !["http:", "https:"].includes(next.protocol)) {
    throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: redirects to nowhere`);
  }
  if (answer.url.protocol === "https:" && next.protocol === "http:") {
    throw new DowelError("REGISTRY_RESPONSE", `${answer.what}: redirects from https to ${redactUrl(next)}`);
  }
  next.username = "";
  next.password = "";
  return next;
}
