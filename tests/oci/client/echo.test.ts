// SPDX-License-Identifier: Apache-2.0
import { afterEach, expect, test } from "bun:test";
import { DowelError } from "../../../src/base/errors.ts";
import { Registry } from "../../../src/oci/client/registry.ts";
import { loadImage } from "../../../src/oci/image.ts";
import { mediaTypes } from "../../../src/oci/mediatypes.ts";

const quick = { attempts: 2, pauseMilliseconds: 1, idleMilliseconds: 60_000 };
const servers: Bun.Server<undefined>[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
});

function serve(handle: (request: Request, asked: URL) => Response): string {
  const fetch = (request: Request): Response => handle(request, new URL(request.url));
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
  servers.push(server);
  return `http://127.0.0.1:${server.port}/`;
}

function manifest(text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(text, { headers: { "content-type": mediaTypes.ociManifest, ...headers } });
}

const password = "pass/Word+9 f3a1";
const token = "eyJh.0123456789abcdef.Zz_-";
const sent = [password, btoa(`alice:${password}`), token].flatMap((text) => [text, encodeURIComponent(text)]);
const credentials = async () => ({ user: "alice", password });
const forms = [...sent, ...sent.map((text) => text.toLowerCase())];
const redirect = (location: string): Response => new Response(null, { status: 307, headers: { location } });
type Echo = (secret: string, asked: URL) => Response;

test.each<[string, Echo]>([
  ["in the path of a redirect", (secret, { origin }) => redirect(`${origin}/nothing/${encodeURIComponent(secret)}`)],
  ["in a redirect without end", (secret, { origin }) => redirect(`${origin}/v2/${encodeURIComponent(secret)}`)],
  ["in a redirect to a file", (secret) => redirect(`file:///${secret}`)],
  ["as a type", (secret) => new Response("{}", { headers: { "content-type": secret } })],
  ["as a digest", (secret) => manifest("{}", { "docker-content-digest": secret })],
  ["in a document", (secret) => manifest(secret)],
  [
    "as a media type of a document",
    (secret) => {
      const config = { mediaType: secret, digest: secret, size: 2 };
      const text = JSON.stringify({ schemaVersion: 2, config, layers: [] });
      return new Response(text, { headers: { "content-type": mediaTypes.ociManifest } });
    },
  ],
  ["as what is wrong", (secret) => Response.json({ errors: [{ message: secret }] }, { status: 400 })],
  [
    "cut off at the end of a long message",
    (secret) => Response.json({ errors: [{ message: `${".".repeat(490)}${secret}` }] }, { status: 400 }),
  ],
  [
    "as the place of the next token",
    (secret, { origin }) => {
      const challenge = `Bearer realm="${origin}/nothing/${encodeURIComponent(secret)}"`;
      return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
    },
  ],
])("a registry that sends back %s what it was sent has it in no error", async (_, echo) => {
  for (const scheme of ["Basic", "Bearer"]) {
    const url = serve((request, asked) => {
      if (asked.pathname === "/token") return Response.json({ token });
      if (asked.pathname.startsWith("/nothing")) return new Response("", { status: 404 });
      const given = request.headers.get("authorization");
      if (given !== null) return echo(scheme === "Bearer" ? token : password, asked);
      const challenge = `${scheme} realm="${asked.origin}/token"`;
      return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
    });
    const repository = new Registry(url, { ...quick, credentials }).repository("some/app");
    const error = await loadImage(repository, "v1", "x86_64").catch((thrown) => thrown);
    expect(error).toBeInstanceOf(DowelError);
    for (const text of forms) expect(`${error.message} ${error.hint}`).not.toContain(text);
    // Nor a part of it, where a long message is cut.
    expect(error.message).not.toContain("pass/Wo");
  }
});
