// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { authFilePaths } from "../../../src/oci/client/authfiles.ts";
import { credentialsFromFiles } from "../../../src/oci/client/credentials.ts";
import { login, logout, parseLoginTarget } from "../../../src/oci/client/login.ts";
import { Registry } from "../../../src/oci/client/registry.ts";
import { certificateFolders } from "../../../src/oci/client/tls.ts";

let folder: string;
const path = process.env["PATH"];
const servers: Bun.Server<undefined>[] = [];
const basic = (text: string): string => Buffer.from(text).toString("base64");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-credentials-"));
  process.env["PATH"] = `${folder}:${path}`;
});

afterEach(async () => {
  process.env["PATH"] = path;
  for (const server of servers.splice(0)) await server.stop(true);
  rmSync(folder, { recursive: true });
});

function put(name: string, value: unknown): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(value));
  return file;
}

/** A helper that keeps what it is given in a file, in the protocol of Docker's own. */
function putHelper(name: string, kept = ""): void {
  const file = join(folder, `docker-credential-${name}`);
  const store = join(folder, `${name}.kept`);
  if (kept !== "") writeFileSync(store, kept);
  const script = `#!/bin/sh
case $1 in
  get) cat >"${store}.asked"; [ -s "${store}" ] || { echo "credentials not found in native keychain"; exit 1; }; cat "${store}" ;;
  store) cat >"${store}" ;;
  erase) cat >/dev/null; rm -f "${store}" ;;
esac
`;
  writeFileSync(file, script);
  chmodSync(file, 0o755);
}

const environment = () => ({
  HOME: join(folder, "home"),
  XDG_RUNTIME_DIR: join(folder, "run"),
  DOCKER_CONFIG: join(folder, "docker"),
});

function serve(handle: (request: Request) => Response): { readonly host: string; readonly url: string } {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: handle });
  servers.push(server);
  return { host: `127.0.0.1:${server.port}`, url: `http://127.0.0.1:${server.port}/` };
}

describe("credentialsFromFiles()", () => {
  test("asks the files in their order, and in each its helper for the host, its entries, its store", async () => {
    const env = environment();
    const [runtime = "", user = "", docker = ""] = authFilePaths(env).map((file) => file.slice(folder.length + 1));
    const lookup = credentialsFromFiles(env);
    put(docker, { auths: { "a.example": { auth: basic("docker:1") } }, credsStore: "all" });
    putHelper("all", JSON.stringify({ ServerURL: "x", Username: "stored", Secret: "s" }));
    expect(await lookup("a.example", "x")).toMatchObject({ user: "docker" });
    expect(await lookup("b.example", "x")).toMatchObject({ user: "stored", password: "s" });
    expect(readFileSync(join(folder, "all.kept.asked"), "utf8")).toBe("b.example");
    await lookup("registry-1.docker.io", "library/x");
    expect(readFileSync(join(folder, "all.kept.asked"), "utf8")).toBe("https://index.docker.io/v1/");
    put(user, { auths: { "a.example": { auth: basic("user:1") } } });
    expect(await lookup("a.example", "x")).toMatchObject({ user: "user" });
    put(runtime, { auths: { "a.example": { auth: basic("no:1") } }, credHelpers: { "a.example": "one" } });
    putHelper("one", JSON.stringify({ ServerURL: "x", Username: "<token>", Secret: "refresh" }));
    expect(await lookup("a.example", "x")).toEqual({ user: "", password: "", identityToken: "refresh" });
    rmSync(join(folder, "one.kept"));
    expect(await lookup("a.example", "x")).toMatchObject({ user: "no" });
  });

  test("looks in no folder that depends on where the program is started", () => {
    const empty = { HOME: "/home/me", XDG_CONFIG_HOME: "", XDG_RUNTIME_DIR: "run", DOCKER_CONFIG: "" };
    expect(authFilePaths(empty).slice(-2)).toEqual([
      "/home/me/.config/containers/auth.json",
      "/home/me/.docker/config.json",
    ]);
    expect(certificateFolders(empty)[0]).toBe("/home/me/.config/containers/certs.d");
  });

  test("names the entry that is malformed, and nothing of what is in it", async () => {
    const file = put("auth.json", { auths: { "a.example": "top-secret" } });
    const error = await credentialsFromFiles({ REGISTRY_AUTH_FILE: file })("a.example", "x").catch((reason) => reason);
    expect(error.message).toBe(`${file}: auths["a.example"] must be an object`);
  });

  test.each([
    ["missing", "TOOL_MISSING"],
    ["../evil", "CREDENTIAL_HELPER"],
    ["broken", "CREDENTIAL_HELPER"],
    ["failing", "CREDENTIAL_HELPER"],
  ])("says so when the helper %s cannot be used, and nothing of what it printed", async (name, code) => {
    writeFileSync(join(folder, "docker-credential-broken"), "#!/bin/sh\necho top-secret\n", { mode: 0o755 });
    writeFileSync(join(folder, "docker-credential-failing"), "#!/bin/sh\necho top-secret; exit 3\n", { mode: 0o755 });
    const file = put("auth.json", { credHelpers: { "a.example": name } });
    const error = await credentialsFromFiles({ REGISTRY_AUTH_FILE: file })("a.example", "x").catch((reason) => reason);
    expect(error).toMatchObject({ code });
    expect(`${error.message}${error.hint}`).not.toContain("top-secret");
  });
});

describe("login()", () => {
  const closed = (request: Request): Response =>
    request.headers.get("authorization") === `Basic ${basic("me:secret")}`
      ? Response.json({})
      : new Response(JSON.stringify({ errors: [{ message: `wrong: ${request.headers.get("authorization")}` }] }), {
          status: 401,
          headers: { "www-authenticate": 'Basic realm="x"' },
        });

  test("keeps what the registry takes, for its owner's eyes only, beside what was there", async () => {
    const { host } = serve(closed);
    const env = environment();
    const file = put("run/containers/auth.json", { auths: { "other.example": { auth: basic("o:p") } }, extra: 1 });
    expect(await login(parseLoginTarget(`${host}/apps`), { user: "me", password: "secret" }, { env })).toBe(file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
      auths: { "other.example": { auth: basic("o:p") }, [`${host}/apps`]: { auth: basic("me:secret") } },
      extra: 1,
    });
    const lookup = credentialsFromFiles(env);
    expect(await lookup(host, "apps/x")).toMatchObject({ password: "secret" });
    expect(await lookup(host, "other/x")).toBeUndefined();
    expect(await logout(parseLoginTarget(`${host}/apps`), { env })).toBe(true);
    expect(await lookup(host, "apps/x")).toBeUndefined();
    expect(await lookup("other.example", "x")).toMatchObject({ user: "o" });
    expect(await logout(parseLoginTarget(`${host}/apps`), { env })).toBe(false);
  });

  test("keeps nothing that the registry refuses, and repeats nothing of it", async () => {
    const { host } = serve(closed);
    const env = environment();
    const wrong = { user: "me", password: "hunter-two" };
    const error = await login(parseLoginTarget(host), wrong, { env, attempts: 1 }).catch((reason) => reason);
    expect(error).toMatchObject({ code: "REGISTRY_AUTH" });
    expect(error.message).toStartWith(`${host} does not accept this user and password (`);
    expect(error.message).toContain("wrong: Basic …");
    expect(error.message).not.toContain(basic("me:hunter-two"));
    expect(await credentialsFromFiles(env)(host, "")).toBeUndefined();
  });

  test("refuses names that no registry could tell from the password, before it asks one", async () => {
    for (const user of ["", "me:too"]) {
      const refused = login(parseLoginTarget("127.0.0.1:1"), { user, password: "secret" }, { env: environment() });
      await expect(refused).rejects.toMatchObject({ code: "USAGE" });
    }
  });

  test("gives credentials to the helper that the file names, and takes them away there", async () => {
    const { host } = serve(closed);
    const file = put("auth.json", { credHelpers: { [host]: "one" } });
    putHelper("one");
    const options = { authFile: file };
    expect(await login(parseLoginTarget(host), { user: "me", password: "secret" }, options)).toBe(
      "docker-credential-one",
    );
    expect(JSON.parse(readFileSync(join(folder, "one.kept"), "utf8"))).toMatchObject({
      ServerURL: host,
      Secret: "secret",
    });
    expect(readFileSync(file, "utf8")).not.toContain(basic("me:secret"));
    expect(await credentialsFromFiles({ REGISTRY_AUTH_FILE: file })(host, "")).toMatchObject({ user: "me" });
    expect(await logout(parseLoginTarget(host), options)).toBe(true);
  });

  test("parseLoginTarget() refuses what is no registry", () => {
    for (const text of ["", "a b", "host/UPPER", "https://", "user@host", "host:port"]) {
      expect(() => parseLoginTarget(text)).toThrow(expect.objectContaining({ code: "USAGE" }));
    }
    expect(parseLoginTarget("https://h.example:5/a/b/")).toMatchObject({ host: "h.example:5", key: "h.example:5/a/b" });
    expect(parseLoginTarget("index.docker.io").key).toBe("docker.io");
  });
});

test("an identity token goes to the token's address by POST, and nothing else does", async () => {
  const seen: string[] = [];
  const { url } = serve((request) => {
    const { pathname, origin } = new URL(request.url);
    seen.push(`${request.method} ${pathname} ${request.headers.get("authorization") ?? "-"}`);
    if (pathname === "/token") return Response.json({ access_token: "short-lived" });
    if (request.headers.get("authorization") === "Bearer short-lived") return Response.json({});
    const challenge = `Bearer realm="${origin}/token",service="s"`;
    return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
  });
  const credentials = async () => ({ user: "", password: "", identityToken: "long-lived" });
  await new Registry(url, { credentials }).ping();
  expect(seen).toEqual(["GET /v2/ -", "POST /token -", "GET /v2/ Bearer short-lived"]);
});

describe("pauses that a registry asks for", () => {
  const limited = (header: () => Record<string, string>) => {
    let count = 0;
    return serve(() => (count++ === 0 ? new Response("", { status: 429, headers: header() }) : Response.json({})));
  };

  test("are kept, by the registry's own clock where it shows it", async () => {
    const date = new Date(0).toUTCString();
    const after = new Date(1000).toUTCString();
    const { url } = limited(() => ({ date, "retry-after": after }));
    const start = performance.now();
    await new Registry(url, { pauseMilliseconds: 1 }).ping();
    expect(performance.now() - start).toBeGreaterThan(900);
  });

  test.each([["100000"], [new Date(Date.now() + 1e9).toUTCString()]])(
    "end the request when it is %s",
    async (value) => {
      const { url } = limited(() => ({ "retry-after": value }));
      await expect(new Registry(url).ping()).rejects.toMatchObject({
        code: "REGISTRY_UNREACHABLE",
        message: expect.stringContaining("429"),
      });
    },
  );

  test.each([["soon"], ["-5"]])("are the usual ones when it is %j", async (value) => {
    const { url } = limited(() => ({ "retry-after": value }));
    await new Registry(url, { pauseMilliseconds: 1 }).ping();
  });
});
