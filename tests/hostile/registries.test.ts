// SPDX-License-Identifier: Apache-2.0
// Registries that are down, lie, break off or never end, met by the compiled program.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { appRef, makeLayout, runtimeRef, Sandpit, startRegistry } from "../e2e/support.ts";
import { FaultProxy, type ProxiedRequest } from "../engine/proxy.ts";
import { gzipLayer } from "../support/layout.ts";
import { rawTar } from "./rawtar.ts";
import { addEvil, evilId, expectRefused, honestEntries, listing } from "./support.ts";

const MiB = 1024 * 1024;
const blobBytes = 12 * MiB;
const host = new Sandpit();
let registry: Awaited<ReturnType<typeof startRegistry>>;
let proxy: FaultProxy;
let pit = new Sandpit();

/** Requests for the big layer, which alone is larger than configs and the small layers of the honest images. */
let bigBlob = "";
const isBig = ({ method, path }: ProxiedRequest): boolean => method === "GET" && path.endsWith(bigBlob);

beforeAll(async () => {
  registry = await startRegistry(host, host.path("registry"));
  const layout = makeLayout(host.path("images"));
  const big = gzipLayer(rawTar([...honestEntries(), { name: "files/big", content: randomBytes(blobBytes) }]));
  bigBlob = new Bun.CryptoHasher("sha256").update(big.data).digest("hex");
  addEvil(layout, { layers: [big] });
  host.succeed(["push", `oci:${layout}`, `oci+http://${registry.address}/apps`]);
  proxy = await FaultProxy.start(`http://${registry.address}`);
});
afterEach(() => {
  pit[Symbol.dispose]();
  pit = new Sandpit();
  proxy.fault = () => undefined;
  proxy.requests.length = 0;
  proxy.sent = 0;
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await registry.stop();
  pit[Symbol.dispose]();
  host[Symbol.dispose]();
});

function addRemote(address: string): string[] {
  pit.succeed(["remote-add", "--user", "apps", `oci+http://${address}/apps`]);
  return ["install", "--user", "-y", "--no-deps", "apps", evilId];
}

/** Nothing is there but the remote and what a next try can use. */
function expectNothingInstalled(): void {
  expect(pit.succeed(["list", "--json"])).toBe("[]\n");
  for (const row of listing(pit.path("home/.local/share/dowel"))) {
    expect(row).toMatch(/^(version|remotes|oci|app|runtime|exports|images|objects|layers|tmp)/);
    expect(row).not.toMatch(/^(app|runtime|images|exports|objects|layers)\/.* 100|^tmp\/(?!blobs)/);
  }
}

describe("a registry that", () => {
  test("is down", async () => {
    const gone = await FaultProxy.start(`http://${registry.address}`);
    const words = addRemote(gone.host);
    await gone[Symbol.asyncDispose]();
    expectRefused(await pit.start(words).outcome, "REGISTRY_UNREACHABLE", gone.host);
    expectNothingInstalled();
  }, 30_000);

  test("goes down between the catalogue and the image", async () => {
    const words = addRemote(proxy.host);
    proxy.fault = ({ path }) => (path.includes("/index/static") ? undefined : { cutAfter: 0 });
    const outcome = await pit.start(words).outcome;
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toMatch(/REGISTRY_UNREACHABLE|TRANSFER_INCOMPLETE/);
    expectNothingInstalled();
  }, 30_000);

  test("lies about a digest", async () => {
    const words = addRemote(proxy.host);
    for (const part of ["/blobs/", "/manifests/"]) {
      const flip = (body: Buffer): Buffer => {
        const copy = Buffer.from(body);
        copy[copy.length - 20] = (copy[copy.length - 20] ?? 0) ^ 1;
        return copy;
      };
      proxy.fault = ({ path }) => (path.includes(part) ? { body: flip } : undefined);
      const outcome = await pit.start(words).outcome;
      expect(outcome.stderr).toMatch(/DIGEST_MISMATCH|COMPRESSION_INVALID/);
      expectRefused(outcome, "");
      expectNothingInstalled();
    }
  });

  test("sends half and closes is an error, and the repeated command continues where it stopped", async () => {
    const words = addRemote(proxy.host);
    proxy.fault = (request) => (isBig(request) ? { cutAfter: request.offset === 0 ? 10 * MiB : 0 } : undefined);
    expectRefused(await pit.start(words).outcome, "TRANSFER_INCOMPLETE", evilId);
    expectNothingInstalled();
    proxy.fault = () => undefined;
    proxy.sent = 0;
    expect((await pit.start(words).outcome).status).toBe(0);
    expect(proxy.sent).toBeLessThan(5 * MiB);
    expect(pit.succeed(["info", evilId])).toContain(evilId);
  }, 60_000);

  test("falls silent is left at once on SIGINT, and the repeated command continues", async () => {
    const words = addRemote(proxy.host);
    proxy.fault = (request) => (isBig(request) ? { stallAfter: 10 * MiB } : undefined);
    const { child, outcome } = pit.start([...words, "--json"]);
    child.stdout.on("data", (text: string) => {
      if (/"fetch.progress".*"done":(9|[0-9]{2})[0-9]{6}/.test(text)) child.kill("SIGINT");
    });
    const { status, stderr } = await outcome;
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("ABORTED") });
    expect(stderr).not.toMatch(/^\s+at /m);
    expectNothingInstalled();
    proxy.fault = () => undefined;
    proxy.sent = 0;
    expect((await pit.start(words).outcome).status).toBe(0);
    expect(proxy.sent).toBeLessThan(6 * MiB);
  }, 30_000);
});

describe("a server that", () => {
  function serve(fetch: (request: Request) => Response): Disposable & { readonly address: string } {
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
    return { address: `127.0.0.1:${server.port}`, [Symbol.dispose]: () => void server.stop(true) };
  }

  async function refuse(address: string, code: string, ...words: string[]): Promise<void> {
    const viaRemote = addRemote(address);
    expectRefused(await pit.start(viaRemote).outcome, code, ...words);
    const direct = ["install", "--user", "-y", `docker://${address}/apps/org.example.evil:stable`];
    const outcome = await pit.start(direct).outcome;
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toMatch(/\[[A-Z_]+\]/);
    expectNothingInstalled();
  }

  test("answers a login page to everything", async () => {
    const page = "<html><body>\u001b]0;owned\u0007Please log in</body></html>";
    using server = serve(() => new Response(page, { headers: { "content-type": "text/html" } }));
    await refuse(server.address, "REGISTRY_RESPONSE", server.address);
  });

  test("redirects without end", async () => {
    using server = serve((request) => Response.redirect(`${request.url.split("?")[0]}?${Math.random()}`, 302));
    await refuse(server.address, "REGISTRY_RESPONSE", "redirect");
  });

  test("redirects to a file of the host", async () => {
    using server = serve(() => new Response(null, { status: 302, headers: { location: "file:///etc/passwd" } }));
    await refuse(server.address, "REGISTRY_RESPONSE");
  });

  test("sends documents that do not end", async () => {
    const endless = (): ReadableStream =>
      new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 20).fill(0x20)) });
    using server = serve((request) => {
      if (request.url.includes("/index/static")) return new Response("no", { status: 404 });
      const type = request.url.includes("/manifests/")
        ? "application/vnd.oci.image.manifest.v1+json"
        : "application/json";
      if (request.url.endsWith("/v2/")) return Response.json({});
      return new Response(endless(), { headers: { "content-type": type } });
    });
    await refuse(server.address, "LIMIT_EXCEEDED");
  }, 30_000);

  test("answers errors with escape sequences", async () => {
    using server = serve(() =>
      Response.json(
        { errors: [{ code: "DENIED\u001b[2J", message: "\u001b]0;owned\u0007no\u202e" }] },
        { status: 403 },
      ),
    );
    await refuse(server.address, "REGISTRY_");
  });

  test("has catalogues with other people's paths in them", async () => {
    const escaped = `dowel-escaped-${process.pid}`;
    const labels = (ref: string): Record<string, string> => ({
      "org.flatpak.ref": ref,
      "org.flatpak.metadata": "[Application]\nname=x\n",
    });
    const images = [
      `app/../../../../tmp/${escaped}/x86_64/stable`,
      "app/org.example.Evil/../../x/stable",
      "app/org.example.Evil/x86_64/../..",
      appRef.replace("Probe", "Pr\u001b[2Jobe"),
    ].map((ref) => ({
      Digest: `sha256:${"a".repeat(64)}`,
      MediaType: "application/vnd.oci.image.manifest.v1+json",
      OS: "linux",
      Architecture: "amd64",
      Labels: labels(ref),
      Tags: ["latest"],
    }));
    using server = serve((request) =>
      request.url.includes("/index/static")
        ? Response.json({
            Registry: "/",
            Results: [
              { Name: "../../x", Images: images },
              { Name: "apps/org.example.evil", Images: images },
            ],
          })
        : new Response("no", { status: 404 }),
    );
    const words = addRemote(server.address);
    const listed = await pit.start(["remote-ls", "--user", "apps", "--columns=all"]).outcome;
    expect(listed).toMatchObject({ status: 0, stdout: "" });
    expectRefused(await pit.start(words).outcome, "REF_NOT_FOUND");
    expectNothingInstalled();
    expect(existsSync(`/tmp/${escaped}`)).toBe(false);
  });
});

test("an unknown runtime changes nothing", async () => {
  const layout = pit.path("alone");
  addEvil(layout, {});
  expectRefused(
    await pit.start(["install", "--user", "-y", `oci:${layout}`, evilId]).outcome,
    "RUNTIME_NOT_FOUND",
    runtimeRef,
  );
  expectNothingInstalled();
});
