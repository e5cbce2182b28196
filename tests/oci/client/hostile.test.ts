// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import type { CredentialLookup } from "../../../src/oci/client/credentials.ts";
import { Registry } from "../../../src/oci/client/registry.ts";
import type { Descriptor } from "../../../src/oci/descriptor.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import { mediaTypes } from "../../../src/oci/mediatypes.ts";
import { collect } from "../../../src/oci/verify.ts";
import { serveRegistry } from "../../../src/registry/server.ts";
import { chunksOf, noise, scratchFolder } from "../sample.ts";

const quick = { attempts: 3, pauseMilliseconds: 1, idleMilliseconds: 2000 };
const noCredentials: CredentialLookup = async () => undefined;
const someCredentials: CredentialLookup = async () => ({ user: "alice", password: "secret" });
const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A registry that answers as `handle` says; `seen` is what it was asked. */
function fake(handle: (request: Request, url: URL) => Response | Promise<Response>): { url: string; seen: Request[] } {
  const seen: Request[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      seen.push(request);
      return handle(request, new URL(request.url));
    },
  });
  closers.push(() => server.stop(true));
  return { url: `http://127.0.0.1:${server.port}/`, seen };
}

function repositoryAt(url: string, credentials = noCredentials) {
  return new Registry(url, { ...quick, credentials }).repository("some/app");
}

function descriptorOf(bytes: Uint8Array): Descriptor {
  return { mediaType: "application/octet-stream", digest: digestOf(bytes), size: bytes.byteLength };
}

const manifestText = JSON.stringify({
  schemaVersion: 2,
  config: { mediaType: mediaTypes.ociConfig, digest: `sha256:${"0".repeat(64)}`, size: 2 },
  layers: [],
});

function manifestResponse(headers: Record<string, string> = {}): Response {
  return new Response(manifestText, { headers: { "content-type": mediaTypes.ociManifest, ...headers } });
}

describe("answers that make no sense", () => {
  test("resolve() throws REGISTRY_RESPONSE when a login page is answered", async () => {
    const { url } = fake(() => new Response("<html>", { headers: { "content-type": "text/html" } }));
    await expect(repositoryAt(url).resolve("v1")).rejects.toMatchObject({ code: "REGISTRY_RESPONSE" });
    const blob = descriptorOf(Buffer.from("x"));
    await expect(collect(repositoryAt(url).openBlob(blob), 10, "blob")).rejects.toMatchObject({
      code: "REGISTRY_RESPONSE",
    });
  });

  test("resolve() throws DIGEST_MISMATCH when the manifest is another one", async () => {
    const { url } = fake(() => manifestResponse());
    const lie = digestOf(Buffer.from("other"));
    await expect(repositoryAt(url).resolve(lie)).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    const stated = fake(() => manifestResponse({ "docker-content-digest": lie }));
    await expect(repositoryAt(stated.url).resolve("v1")).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  });

  test("resolve() throws LIMIT_EXCEEDED when the manifest does not end", async () => {
    const endless = async function* () {
      for (;;) yield new Uint8Array(1 << 20);
    };
    const { url } = fake(() => new Response(endless(), { headers: { "content-type": mediaTypes.ociManifest } }));
    await expect(repositoryAt(url).resolve("v1")).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  test("openBlob() throws DIGEST_MISMATCH when bytes are changed or too many", async () => {
    const right = noise(1000, "right");
    const wrong = fake(() => new Response(noise(1000, "wrong")));
    const long = fake(() => new Response(Buffer.concat([right, right])));
    for (const { url } of [wrong, long]) {
      const reading = collect(repositoryAt(url).openBlob(descriptorOf(right)), 10_000, "blob");
      await expect(reading).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    }
  });

  test("openBlob() throws REGISTRY_RESPONSE when another range than asked for comes", async () => {
    const blob = noise(1000, "range");
    const { url } = fake(
      () => new Response(blob.subarray(0, 500), { status: 206, headers: { "content-range": "bytes 0-499/1000" } }),
    );
    const reading = collect(repositoryAt(url).openBlob(descriptorOf(blob), { offset: 500 }), 1000, "blob");
    await expect(reading).rejects.toMatchObject({ code: "REGISTRY_RESPONSE" });
  });

  test("openRange() gives the right bytes when the registry ignores the range", async () => {
    const blob = noise(1000, "ignored");
    const { url } = fake(() => new Response(blob));
    const bytes = await collect(
      repositoryAt(url).openRange(descriptorOf(blob), { offset: 300, length: 50 }),
      50,
      "range",
    );
    expect(Buffer.compare(bytes, blob.subarray(300, 350))).toBe(0);
  });

  test("tags() throws REGISTRY_RESPONSE when the next page is elsewhere", async () => {
    const { url } = fake(() =>
      Response.json({ tags: ["a"] }, { headers: { link: '<http://127.0.0.2/x>; rel="next"' } }),
    );
    await expect(Array.fromAsync(repositoryAt(url).tags())).rejects.toMatchObject({ code: "REGISTRY_RESPONSE" });
  });
});

/** Sends only the first half of a body the first `cuts` times, then closes the connection. */
async function cuttingServer(blob: Buffer, cuts: number): Promise<{ url: string; ranges: string[] }> {
  const ranges: string[] = [];
  const server: Server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (data) => {
      const range = /range: bytes=(\d+)-/i.exec(data.toString("latin1"))?.[1];
      ranges.push(range ?? "");
      const rest = blob.subarray(Number(range ?? 0));
      const status =
        range === undefined
          ? "200 OK"
          : `206 Partial Content\r\nContent-Range: bytes ${range}-${blob.length - 1}/${blob.length}`;
      const part = ranges.length <= cuts ? rest.subarray(0, rest.length >> 1) : rest;
      socket.write(`HTTP/1.1 ${status}\r\nContent-Length: ${rest.length}\r\nConnection: close\r\n\r\n`);
      socket.end(part);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { url: `http://127.0.0.1:${address.port}/`, ranges };
}

describe("broken transfers", () => {
  test("openBlob() goes on where the transfer broke off", async () => {
    const blob = noise(16_000_000, "cut");
    const { url, ranges } = await cuttingServer(blob, 4);
    // bytes that came just before the end of a connection may be lost with it, so not every try gets on
    const repository = new Registry(url, { ...quick, attempts: 6, credentials: noCredentials }).repository("some/app");
    const bytes = await collect(repository.openBlob(descriptorOf(blob)), blob.length, "blob");
    expect(Buffer.compare(bytes, blob)).toBe(0);
    expect(ranges.length).toBe(5);
    expect(ranges[0]).toBe("");
    expect(Number(ranges[4])).toBeGreaterThan(1_000_000);
  });

  test("openBlob() throws TRANSFER_INCOMPLETE when nothing ever comes", async () => {
    const blob = noise(1, "never");
    const { url, ranges } = await cuttingServer(blob, 1000);
    expect(await collect(repositoryAt(url).openBlob(descriptorOf(blob)), 10, "blob").catch((error) => error.code)).toBe(
      "TRANSFER_INCOMPLETE",
    );
    expect(ranges.length).toBe(quick.attempts);
  });

  test("resolve() tries again after 429 and 503, waiting as long as Retry-After says", async () => {
    const statuses = [429, 503];
    const { url, seen } = fake(() => {
      const status = statuses.shift();
      return status === undefined ? manifestResponse() : new Response("", { status, headers: { "retry-after": "0" } });
    });
    await new Registry(url, { ...quick, pauseMilliseconds: 60_000, credentials: noCredentials })
      .repository("a")
      .resolve("v1");
    expect(seen.length).toBe(3);
  });

  test("ping() throws REGISTRY_UNREACHABLE and names the address when nobody listens", async () => {
    const error = await new Registry("http://127.0.0.1:1/", quick).ping().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    expect(error.message).toContain("http://127.0.0.1:1/v2/");
  });

  test("openBlob() throws ABORTED when it is cancelled while the registry is silent", async () => {
    const arrived = Promise.withResolvers<void>();
    const { url } = fake(() => {
      arrived.resolve();
      return new Promise<Response>(() => undefined);
    });
    const stop = new AbortController();
    const reading = collect(
      repositoryAt(url).openBlob(descriptorOf(noise(9, "a")), { signal: stop.signal }),
      10,
      "blob",
    );
    await arrived.promise;
    stop.abort();
    expect(await reading.catch((error) => error.code)).toBe("ABORTED");
  });
});

describe("redirects", () => {
  test("resolve() throws REGISTRY_RESPONSE when redirects do not end", async () => {
    const { url, seen } = fake(
      (_, { pathname }) => new Response(null, { status: 307, headers: { location: `${pathname}x` } }),
    );
    expect(
      await repositoryAt(url)
        .resolve("v1")
        .catch((error) => error.code),
    ).toBe("REGISTRY_RESPONSE");
    expect(seen.length).toBe(21);
  });

  test("openBlob() does not send credentials to another origin", async () => {
    const blob = noise(100, "elsewhere");
    const other = fake(() => new Response(blob));
    const { url, seen } = fake((request) => {
      if (!request.headers.has("authorization")) {
        return new Response("", { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
      }
      return new Response(null, { status: 307, headers: { location: `${other.url}cdn?signature=1` } });
    });
    await collect(repositoryAt(url, someCredentials).openBlob(descriptorOf(blob)), 100, "blob");
    expect(seen.at(-1)?.headers.get("authorization")).toStartWith("Basic ");
    expect(other.seen.length).toBe(1);
    expect(other.seen[0]?.headers.has("authorization")).toBe(false);
  });

  test("openBlob() makes no request with credentials that another origin sends back", async () => {
    const other = fake((request) => {
      const back = new URL(request.url).searchParams.get("back") ?? "";
      return new Response(null, { status: 307, headers: { location: `${back}secret` } });
    });
    const { url, seen } = fake((request, { pathname }) => {
      if (pathname === "/secret") return new Response(request.headers.get("authorization") ?? "nothing");
      if (!request.headers.has("authorization")) {
        return new Response("", { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
      }
      return new Response(null, { status: 307, headers: { location: `${other.url}?back=${encodeURIComponent(url)}` } });
    });
    const blob = descriptorOf(Buffer.from("nothing"));
    await collect(repositoryAt(url, someCredentials).openBlob(blob), 100, "blob");
    expect(seen.map(({ headers }) => headers.has("authorization"))).toEqual([false, true, false]);
  });

  test.each(["Basic", "Bearer"])(
    "a place that a redirect leads to learns no credentials by asking for %s",
    async (scheme) => {
      const other = fake((_, { origin, pathname }) => {
        if (pathname === "/token") return Response.json({ token: "t0k3n" });
        const challenge = `${scheme} realm="${origin}/token",service="here"`;
        return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
      });
      const { url, seen } = fake(() => new Response(null, { status: 307, headers: { location: `${other.url}cdn` } }));
      const repository = repositoryAt(url, someCredentials);
      const failed = repository.resolve("v1");
      await expect(failed).rejects.toThrow(expect.objectContaining({ code: "REGISTRY_AUTH" }));
      for (const { headers } of [...seen, ...other.seen]) expect(headers.has("authorization")).toBe(false);
      expect(other.seen.map((request) => new URL(request.url).pathname)).toEqual(["/cdn"]);
    },
  );

  test("openBlob() throws REGISTRY_RESPONSE when a redirect leads to a file", async () => {
    const { url } = fake(() => new Response(null, { status: 302, headers: { location: "file:///etc/passwd" } }));
    const reading = collect(repositoryAt(url).openBlob(descriptorOf(noise(9, "a"))), 100, "blob");
    await expect(reading).rejects.toMatchObject({ code: "REGISTRY_RESPONSE" });
  });
});

describe("login", () => {
  test("resolve() gets a token with the stored credentials and keeps it", async () => {
    const tokens: URL[] = [];
    const { url } = fake((request, asked) => {
      if (asked.pathname === "/token") {
        tokens.push(asked);
        return request.headers.get("authorization") === `Basic ${btoa("alice:secret")}`
          ? Response.json({ access_token: "t0k3n", expires_in: 300 })
          : new Response("", { status: 401 });
      }
      if (request.headers.get("authorization") === "Bearer t0k3n") return manifestResponse();
      const challenge = `Bearer realm="${asked.origin}/token",service="here",scope="repository:some/app:pull"`;
      return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
    });
    const repository = repositoryAt(url, someCredentials);
    await repository.resolve("v1");
    await repository.resolve("v2");
    expect(tokens.length).toBe(1);
    expect(tokens[0]?.searchParams.get("scope")).toBe("repository:some/app:pull");
    expect(tokens[0]?.searchParams.get("service")).toBe("here");
    const error = await repositoryAt(url)
      .resolve("v1")
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "REGISTRY_AUTH" });
    expect(error.message).not.toContain("secret");
  });

  test("a token that is taken no longer is replaced once, and a registry that takes none is not asked for ever", async () => {
    let issued = 0;
    let taken = "";
    const { url } = fake((request, asked) => {
      if (asked.pathname === "/token") return Response.json({ token: `t${++issued}`, expires_in: 3600 });
      if (request.headers.get("authorization") === `Bearer ${taken}`) return manifestResponse();
      const challenge = `Bearer realm="${asked.origin}/token",error="invalid_token"`;
      return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
    });
    const repository = repositoryAt(url);
    taken = "t1";
    await repository.resolve("v1");
    taken = "t2";
    await repository.resolve("v2");
    await repository.resolve("v3");
    expect(issued).toBe(2);
    taken = "none";
    await expect(repository.resolve("v4")).rejects.toMatchObject({ code: "REGISTRY_AUTH" });
    expect(issued).toBe(3);
  });

  test("resolve() throws REGISTRY_RESPONSE when the token is cut short", async () => {
    const { url } = fake((_, asked) => {
      if (asked.pathname === "/token")
        return new Response('{"token": "abc', { headers: { "content-type": "application/json" } });
      return new Response("", { status: 401, headers: { "www-authenticate": `Bearer realm="${asked.origin}/token"` } });
    });
    expect(
      await repositoryAt(url)
        .resolve("v1")
        .catch((error) => error.code),
    ).toBe("REGISTRY_RESPONSE");
  });

  test("resolve() throws REGISTRY_AUTH with what the registry says when it always refuses", async () => {
    const { url } = fake(() =>
      Response.json({ errors: [{ code: "DENIED", message: "not for you" }] }, { status: 403 }),
    );
    const error = await repositoryAt(url)
      .resolve("v1")
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "REGISTRY_AUTH" });
    expect(error.message).toContain("not for you");
  });
});

describe("uploads", () => {
  test("putBlob() goes on when pieces arrive in part or answers are lost", async () => {
    await using scratch = await scratchFolder();
    await using real = await serveRegistry({ folder: scratch.path, listen: "127.0.0.1:0" });
    const { port } = new URL(real.address);
    let cuts = 0;
    // passes connections on; of every second one that sends much, the rest of the request or the answer is lost
    const server = createServer((client) => {
      const upstream = connect(Number(port), "127.0.0.1");
      for (const socket of [client, upstream]) socket.on("error", () => undefined);
      let sent = 0;
      const cut = ++connections % 2 === 1;
      client.on("data", (data) => {
        sent += data.length;
        upstream.write(data);
        if (cut && sent > 5_000_000) {
          cuts++;
          client.destroy();
          upstream.end();
        }
      });
      client.on("close", () => upstream.end());
      upstream.pipe(client);
    }).listen(0, "127.0.0.1");
    let connections = 0;
    await once(server, "listening");
    closers.push(() => void server.close());
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const options = { attempts: 10, pauseMilliseconds: 5, credentials: noCredentials };
    const repository = new Registry(`http://127.0.0.1:${address.port}/`, options).repository("lossy");
    const blob = noise(40_000_000, "lossy");
    await repository.putBlob(descriptorOf(blob), chunksOf(blob));
    expect(cuts).toBeGreaterThan(0);
    expect(await repository.hasBlob(descriptorOf(blob))).toBe(true);
  });
});
