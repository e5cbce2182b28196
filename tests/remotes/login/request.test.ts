// SPDX-License-Identifier: Apache-2.0
// Authenticators, honest and hostile, on a real dbus-daemon.
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { BusPeer } from "../../../src/dbus/peer.ts";
import { variant } from "../../../src/formats/dbus/types.ts";
import { EventLoop } from "../../../src/loop/loop.ts";
import { type Person, requestTokens, type TokenRequest } from "../../../src/remotes/login/request.ts";
import { startBus, type TestBus } from "../../support/bus.ts";
import { type Login, serveAuthenticator, type Ways } from "./authenticator.ts";

const name = "org.example.Login";
const [one, two] = ["app/org.example.One/x86_64/stable", "runtime/org.example.Two/x86_64/1"] as const;
let folder: string;
let bus: TestBus;
let loop: EventLoop;
let running: Promise<void>;
let server: BusPeer;
let client: BusPeer;
let ways: Ways;
const never = Promise.withResolvers<void>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "dowel-login-"));
  bus = await startBus(folder);
  loop = new EventLoop();
  running = loop.runUntil(never.promise);
  server = await BusPeer.connect(loop, [{ path: bus.socket }]);
  await serveAuthenticator(server, name, () => ways);
});
beforeEach(async () => {
  client?.[Symbol.dispose]();
  client = await BusPeer.connect(loop, [{ path: bus.socket }]);
});
afterAll(async () => {
  client[Symbol.dispose]();
  server[Symbol.dispose]();
  never.resolve();
  await running;
  loop[Symbol.dispose]();
  await bus[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const refs = [
  { ref: one, commit: "a".repeat(64), tokenType: 2 },
  { ref: two, commit: "b".repeat(64), tokenType: 0 },
];

async function request(given: Ways | ((login: Login) => void), wish: Partial<TokenRequest> = {}) {
  ways = typeof given === "function" ? { begin: given } : given;
  const tokens = await requestTokens(client, loop, {
    ...{ authenticator: name, options: new Map([["url", "https://example.org"]]), remote: "shop", person: undefined },
    ...{ remoteUrl: "oci+https://example.org/apps", registry: "https://example.org/", refs, ...wish },
  });
  return Object.fromEntries([...tokens].map(([ref, token]) => [ref, token.header]));
}

/** Not `rejects`: it turns the engine's own loop until there is an outcome, and the bus's loop stands still meanwhile. */
async function refusal(outcome: Promise<unknown>): Promise<unknown> {
  return await outcome.then(
    () => undefined,
    (error: unknown) => error,
  );
}

const nobody: Person = { askPassword: () => undefined, showPage: () => undefined };

test("requestTokens() tells what is wanted, and takes the tokens of refs", async () => {
  let asked: Login["asked"] | undefined;
  const tokens = await request((login) => {
    asked = login.asked;
    login.give("t0k3n", [one]);
  });
  expect(tokens).toEqual({ [one]: "Bearer t0k3n" });
  expect(asked).toMatchObject({ remote: "shop", url: "oci+https://example.org/apps" });
  expect(asked?.options).toEqual(new Map([["url", variant("s", "https://example.org")]]));
  expect(asked?.refs.map(([ref, commit, type]) => [ref, commit, type])).toEqual([
    [one, "a".repeat(64), 2],
    [two, "b".repeat(64), 0],
  ]);
  expect(asked?.extra).toEqual(
    new Map([
      ["xa.oci-registry-uri", variant("s", "https://example.org/")],
      ["no-interaction", variant("b", true)],
    ]),
  );
});

test("requestTokens() does not show a token where it is printed or encoded", async () => {
  ways = { begin: ({ give }) => give("t0k3n") };
  const options = { authenticator: name, options: new Map(), remote: "", remoteUrl: "", registry: "", person: nobody };
  const tokens = await requestTokens(client, loop, { ...options, refs });
  const token = tokens.get(one);
  expect(token?.header).toBe("Bearer t0k3n");
  expect(`${inspect(token, { showHidden: true })} ${JSON.stringify({ token })} ${String(token)}`).not.toContain(
    "t0k3n",
  );
});

test("requestTokens() asks for a password until it is right, and for a few times only", async () => {
  const realms: string[] = [];
  const person: Person = {
    ...nobody,
    askPassword: (realm) => {
      realms.push(realm);
      return { user: "me", password: realms.length === 2 ? "right" : "wrong" };
    },
  };
  const begin = ({ tell }: Login): void => tell("BasicAuth", ["The shop", new Map()]);
  const password: Ways["password"] = (login, user, given) =>
    user === "me" && given === "right" ? login.give("t0k3n") : begin(login);
  expect(await request({ begin, password }, { person })).toEqual({ [one]: "Bearer t0k3n", [two]: "Bearer t0k3n" });
  expect(realms).toEqual(["The shop", "The shop"]);
  expect(await refusal(request({ begin, password: begin }, { person }))).toMatchObject({
    code: "AUTHENTICATOR_REFUSED",
    message: `The authenticator ${name} has asked 5 times and gives no access`,
  });
});

test("requestTokens() shows the page of a web flow, and closes it where nobody answers or may be asked", async () => {
  const pages: string[] = [];
  const person: Person = { ...nobody, showPage: (address) => pages.push(address) };
  const begin = ({ tell, give }: Login): void => {
    tell("Webflow", ["https://example.org/login", new Map()]);
    tell("WebflowDone", [new Map()]);
    give("t0k3n", [two]);
  };
  expect(await request(begin, { person })).toEqual({ [two]: "Bearer t0k3n" });
  expect(pages).toEqual(["https://example.org/login"]);
  const closed = Promise.withResolvers<void>();
  expect(await refusal(request({ begin, closed: closed.resolve }))).toMatchObject({ code: "AUTHENTICATOR_REFUSED" });
  await closed.promise;
  const asking = ({ tell }: Login): void => tell("BasicAuth", ["", new Map()]);
  expect(await refusal(request(asking, { person }))).toMatchObject({ code: "ABORTED" });
});

test("requestTokens() tells why there is no access", async () => {
  const respond =
    (code: number, reason?: string) =>
    ({ tell }: Login): void =>
      tell("Response", [code, new Map(reason === undefined ? [] : [["error-message", variant("s", reason)]])]);
  expect(await refusal(request(respond(1)))).toMatchObject({ code: "ABORTED" });
  expect(await refusal(request(respond(2, "not paid")))).toMatchObject({
    code: "AUTHENTICATOR_REFUSED",
    message: `The authenticator ${name} gives no access: not paid`,
  });
  expect(String(await refusal(request(respond(2, "x".repeat(100_000)))))).toMatch(/: x{500}$/);
  expect(await refusal(request(respond(7)))).toMatchObject({ code: "AUTHENTICATOR_ANSWER" });
  expect(await request(respond(0))).toEqual({});
  const absent = { authenticator: "org.example.Nobody" };
  expect(await refusal(request(respond(0), absent))).toMatchObject({
    code: "AUTHENTICATOR_UNREACHABLE",
    message: "Nothing on the session bus is named org.example.Nobody, which logs in to the remote shop",
  });
});

const answer = (type: string, value: unknown) => (login: Login) =>
  login.tell("Response", [0, new Map([["tokens", { signature: type, value }]])]);

const senseless: Readonly<Record<string, Ways | ((login: Login) => void)>> = {
  "a token with a line's end": ({ give }) => give("a\r\nCookie: b"),
  "an empty token": ({ give }) => give(""),
  "a token beyond all measure": ({ give }) => give("a".repeat(16_385)),
  "tokens of another type": answer("as", ["a"]),
  "two tokens for one ref": answer("a{sas}", new Map([...["a", "b"].map((text): [string, string[]] => [text, [one]])])),
  "a page that is a file": ({ tell }) => tell("Webflow", ["file:///etc/passwd", new Map()]),
  "a page that is an option": ({ tell }) => tell("Webflow", ["--help", new Map()]),
  "the object of another": { begin: () => undefined, handle: "/org/example/Other" },
};
test.each(Object.entries(senseless))("requestTokens() refuses %s", async (_what, given) => {
  const refused = await refusal(request(given, { person: nobody }));
  expect(refused).toMatchObject({ code: "AUTHENTICATOR_ANSWER" });
  expect(String(refused)).not.toContain("Cookie");
});

test("requestTokens() passes over tokens for refs that were not asked for", async () => {
  expect(await request(({ give }) => give("t0k3n", ["app/org.example.Other/x86_64/stable", one]))).toEqual({
    [one]: "Bearer t0k3n",
  });
  expect(await request(({ give }) => give("a\nb", ["app/org.example.Other/x86_64/stable"]))).toEqual({});
});

test("requestTokens() ends with its time, with a signal, and with the authenticator, and closes the request", async () => {
  const silent = (closed: () => void): Ways => ({ begin: () => undefined, closed });
  const first = Promise.withResolvers<void>();
  expect(await refusal(request(silent(first.resolve), { patienceMilliseconds: 20 }))).toMatchObject({
    code: "AUTHENTICATOR_UNREACHABLE",
    message: `The authenticator ${name} did not answer within 0.02 s`,
  });
  await first.promise;
  const [second, cancel] = [Promise.withResolvers<void>(), new AbortController()];
  const begin = (): void => cancel.abort();
  expect(await refusal(request({ begin, closed: second.resolve }, { signal: cancel.signal }))).toMatchObject({
    code: "ABORTED",
  });
  await second.promise;
  using other = await BusPeer.connect(loop, [{ path: bus.socket }]);
  await serveAuthenticator(other, "org.example.Brief", () => ({ begin: () => other[Symbol.dispose]() }));
  expect(await refusal(request(() => undefined, { authenticator: "org.example.Brief" }))).toMatchObject({
    code: "AUTHENTICATOR_UNREACHABLE",
  });
});
