// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Registry } from "../../src/oci/client/registry.ts";
import { copyImage } from "../../src/oci/copy.ts";
import { digestHex, digestOf } from "../../src/oci/digest.ts";
import { openLayout } from "../../src/oci/layout.ts";
import { encodeIndex, encodeManifest } from "../../src/oci/manifest.ts";
import { mediaTypes } from "../../src/oci/mediatypes.ts";
import { type RunningRegistry, serveRegistry } from "../../src/registry/server.ts";
import { chunksOf, noise, sampleLayout, scratchFolder } from "../oci/sample.ts";

let scratch: Awaited<ReturnType<typeof scratchFolder>>;
let server: RunningRegistry;

beforeAll(async () => {
  scratch = await scratchFolder();
  server = await serveRegistry({ folder: join(scratch.path, "registry"), listen: "127.0.0.1:0" });
});

afterAll(async () => {
  await server.stop();
  await scratch[Symbol.asyncDispose]();
});

function ask(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(server.address + path, { redirect: "manual", ...init });
}

async function json<T>(response: Response): Promise<T> {
  return (await response.json()) as T;
}

async function codeOf(response: Response): Promise<string> {
  const body = await json<{ errors: { code: string }[] }>(response);
  return body.errors[0]?.code ?? "";
}

function repository(name: string) {
  return new Registry(server.address, { attempts: 1 }).repository(name);
}

async function pushBlob(name: string, bytes: Uint8Array) {
  const descriptor = { mediaType: "application/octet-stream", digest: digestOf(bytes), size: bytes.byteLength };
  await repository(name).putBlob(descriptor, chunksOf(bytes));
  return descriptor;
}

describe("blobs", () => {
  test("GET sends whole blobs, single ranges, suffixes and several ranges", async () => {
    const bytes = noise(100_000, "ranges");
    const { digest } = await pushBlob("ranges", bytes);
    const path = `/v2/ranges/blobs/${digest}`;
    const get = async (range: string): Promise<[number, string | null, Buffer]> => {
      const response = await ask(path, { headers: { range } });
      return [response.status, response.headers.get("content-range"), Buffer.from(await response.arrayBuffer())];
    };
    expect(Buffer.compare(Buffer.from(await (await ask(path)).arrayBuffer()), bytes)).toBe(0);
    expect(await get("bytes=10-19")).toEqual([206, "bytes 10-19/100000", bytes.subarray(10, 20)]);
    expect(await get("bytes=99990-")).toEqual([206, "bytes 99990-99999/100000", bytes.subarray(99990)]);
    expect(await get("bytes=-10")).toEqual([206, "bytes 99990-99999/100000", bytes.subarray(99990)]);
    expect((await get("bytes=100000-"))[0]).toBe(416);
    expect((await get("bytes=5-1"))[0]).toBe(200);
    const head = await ask(path, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "100000"]);
    const parts = await ask(path, { headers: { range: "bytes=0-4,50000-50009" } });
    const boundary = /boundary=(.+)$/.exec(parts.headers.get("content-type") ?? "")?.[1];
    const body = Buffer.from(await parts.arrayBuffer());
    const part = (range: string, content: Buffer): Buffer => {
      const header = `\r\n--${boundary}\r\ncontent-type: application/octet-stream\r\ncontent-range: bytes ${range}/100000\r\n\r\n`;
      return Buffer.concat([Buffer.from(header), content]);
    };
    const end = Buffer.from(`\r\n--${boundary}--\r\n`);
    const wanted = [part("0-4", bytes.subarray(0, 5)), part("50000-50009", bytes.subarray(50000, 50010)), end];
    expect(Buffer.compare(body, Buffer.concat(wanted))).toBe(0);
  });

  test("PATCH refuses pieces out of order with 416 and says where the upload stands", async () => {
    const bytes = noise(3000, "pieces");
    const begun = await ask("/v2/pieces/blobs/uploads/", { method: "POST" });
    const place = begun.headers.get("location") ?? "";
    const patch = (from: number, to: number): Promise<Response> =>
      ask(place, {
        method: "PATCH",
        body: bytes.subarray(from, to),
        headers: { "content-range": `${from}-${to - 1}` },
      });
    expect((await patch(0, 1000)).headers.get("range")).toBe("0-999");
    const wrong = await patch(2000, 3000);
    expect([wrong.status, wrong.headers.get("range")]).toEqual([416, "0-999"]);
    expect((await patch(0, 1000)).status).toBe(416);
    const status = await ask(place);
    expect([status.status, status.headers.get("range")]).toEqual([204, "0-999"]);
    await patch(1000, 2000);
    const put = await ask(`${place}?digest=${digestOf(bytes)}`, { method: "PUT", body: bytes.subarray(2000) });
    expect([put.status, put.headers.get("docker-content-digest")]).toEqual([201, digestOf(bytes)]);
    expect((await ask(place)).status).toBe(404);
  });

  test("PUT refuses content of another digest and keeps nothing of it", async () => {
    const begun = await ask("/v2/liar/blobs/uploads/", { method: "POST" });
    const digest = digestOf(Buffer.from("promised"));
    const put = await ask(`${begun.headers.get("location")}?digest=${digest}`, { method: "PUT", body: "delivered" });
    expect([put.status, await codeOf(put)]).toEqual([400, "DIGEST_INVALID"]);
    expect((await ask(`/v2/liar/blobs/${digest}`)).status).toBe(404);
    expect(await readdir(join(scratch.path, "registry/uploads"))).toEqual([]);
  });

  test("POST takes a whole blob with sha512, and mounts only what the other repository has", async () => {
    const bytes = noise(500, "single");
    const digest = digestOf(bytes, "sha512");
    const post = await ask(`/v2/single/blobs/uploads/?digest=${digest}`, { method: "POST", body: bytes });
    expect(post.status).toBe(201);
    const mounted = await ask(`/v2/second/blobs/uploads/?mount=${digest}&from=single`, { method: "POST" });
    expect(mounted.status).toBe(201);
    expect((await ask(`/v2/second/blobs/${digest}`)).status).toBe(200);
    const refused = await ask(`/v2/third/blobs/uploads/?mount=${digest}&from=elsewhere`, { method: "POST" });
    expect(refused.status).toBe(202);
    expect((await ask(`/v2/third/blobs/${digest}`)).status).toBe(404);
    expect((await ask(refused.headers.get("location") ?? "", { method: "DELETE" })).status).toBe(204);
    expect((await ask(`/v2/second/blobs/${digest}`, { method: "DELETE" })).status).toBe(202);
    expect((await ask(`/v2/second/blobs/${digest}`)).status).toBe(404);
    expect((await ask(`/v2/single/blobs/${digest}`)).status).toBe(200);
  });

  test("an upload goes on after the server was started anew", async () => {
    const folder = join(scratch.path, "restarted");
    const bytes = noise(2000, "restart");
    const first = await serveRegistry({ folder, listen: "127.0.0.1:0" });
    const begun = await fetch(`${first.address}/v2/a/blobs/uploads/`, { method: "POST" });
    const place = begun.headers.get("location");
    await fetch(first.address + place, { method: "PATCH", body: bytes.subarray(0, 1500) });
    await first.stop();
    await using second = await serveRegistry({ folder, listen: "127.0.0.1:0" });
    const put = await fetch(`${second.address}${place}?digest=${digestOf(bytes)}`, {
      method: "PUT",
      body: bytes.subarray(1500),
    });
    expect(put.status).toBe(201);
  });

  test("concurrent pushes of the same and of different blobs all succeed", async () => {
    const same = noise(300_000, "same");
    const others = Array.from({ length: 8 }, (_, at) => noise(200_000, `other${at}`));
    const pushes = [...Array.from({ length: 8 }, () => same), ...others].map((bytes) => pushBlob("busy", bytes));
    for (const { digest } of await Promise.all(pushes)) {
      const bytes = Buffer.from(await (await ask(`/v2/busy/blobs/${digest}`)).arrayBuffer());
      expect(digestOf(bytes)).toBe(digest);
    }
    expect(await readdir(join(scratch.path, "registry/uploads"))).toEqual([]);
  });
});

describe("manifests", () => {
  test("PUT refuses a manifest whose blobs are missing, whose type is wrong, or that is two things", async () => {
    const config = { mediaType: mediaTypes.ociConfig, digest: digestOf(Buffer.from("absent")), size: 6 };
    const manifest = encodeManifest({ mediaType: mediaTypes.ociManifest, config, layers: [], annotations: new Map() });
    const put = (body: Uint8Array | string, type: string): Promise<Response> =>
      ask("/v2/bad/manifests/v1", { method: "PUT", body, headers: { "content-type": type } });
    const missing = await put(manifest, mediaTypes.ociManifest);
    expect([missing.status, await codeOf(missing)]).toEqual([404, "MANIFEST_BLOB_UNKNOWN"]);
    expect(await codeOf(await put(manifest, mediaTypes.ociIndex))).toBe("MANIFEST_INVALID");
    const both = JSON.stringify({ schemaVersion: 2, layers: [], manifests: [] });
    expect(await codeOf(await put(both, mediaTypes.ociIndex))).toBe("MANIFEST_INVALID");
    const huge = await put("x".repeat(5_000_000), mediaTypes.ociManifest);
    expect([huge.status, await codeOf(huge)]).toEqual([413, "SIZE_INVALID"]);
    expect((await ask("/v2/bad/tags/list")).status).toBe(404);
  });

  test("GET answers tags and digests with digest, type and ETag, and 304 when the client has it", async () => {
    const layout = join(scratch.path, "get");
    const sample = await sampleLayout(layout);
    await copyImage(await openLayout(layout), repository("got/it"), { to: "v1" });
    const got = await ask("/v2/got/it/manifests/v1");
    expect(got.headers.get("docker-content-digest")).toBe(sample.descriptor.digest);
    expect(got.headers.get("content-type")).toBe(mediaTypes.ociManifest);
    const etag = got.headers.get("etag") ?? "";
    const again = await ask("/v2/got/it/manifests/v1", { headers: { "if-none-match": etag } });
    expect(again.status).toBe(304);
    const head = await ask(`/v2/got/it/manifests/${sample.descriptor.digest}`, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(String(sample.descriptor.size));
  });

  test("referrers and OCI-Subject tell of a manifest with a subject, and filter by artifactType", async () => {
    const layout = join(scratch.path, "subject");
    const sample = await sampleLayout(layout);
    const target = repository("subject");
    await copyImage(await openLayout(layout), target, { to: "v1" });
    const { digest: empty } = await pushBlob("subject", Buffer.from("{}"));
    const config = { mediaType: mediaTypes.ociEmpty, digest: empty, size: 2 };
    const artifactType = "application/vnd.example";
    const { mediaType, digest, size } = sample.descriptor;
    const annotations = new Map([["key", "value"]]);
    const subject = { mediaType, digest, size };
    const bytes = encodeManifest({ mediaType, artifactType, config, layers: [config], subject, annotations });
    const put = await ask("/v2/subject/manifests/sig", {
      method: "PUT",
      body: bytes,
      headers: { "content-type": mediaType },
    });
    expect(put.headers.get("oci-subject")).toBe(digest);
    const [found] = await target.referrers(digest, artifactType);
    expect(found).toMatchObject({ digest: digestOf(bytes), artifactType, annotations });
    expect(await target.referrers(digest, "application/other")).toEqual([]);
    const filtered = await ask(`/v2/subject/referrers/${digest}?artifactType=x`);
    expect(filtered.headers.get("oci-filters-applied")).toBe("artifactType");
    await target.deleteManifest(digestOf(bytes));
    expect(await target.referrers(digest)).toEqual([]);
  });

  test("DELETE of a digest takes its tags along, DELETE of a tag leaves the manifest", async () => {
    const layout = join(scratch.path, "delete");
    const { descriptor } = await sampleLayout(layout);
    const target = repository("delete");
    for (const to of ["one", "two"]) await copyImage(await openLayout(layout), target, { to });
    await target.deleteManifest("one");
    expect((await Array.fromAsync(target.tags())).flat()).toEqual(["two"]);
    await target.deleteManifest(descriptor.digest);
    expect(await target.head("two")).toBeUndefined();
    expect(await target.deleteManifest(descriptor.digest).catch((error) => error.code)).toBe("REGISTRY_NOT_FOUND");
  });
});

describe("lists", () => {
  test("tags/list and _catalog come in pages that the client follows", async () => {
    const layout = join(scratch.path, "pages");
    await sampleLayout(layout);
    const tags = ["a", "b", "c", "d", "e"];
    for (const to of tags) await copyImage(await openLayout(layout), repository("pages/of/tags"), { to });
    const first = await ask("/v2/pages/of/tags/tags/list?n=2");
    expect(await first.json()).toEqual({ name: "pages/of/tags", tags: ["a", "b"] });
    expect(first.headers.get("link")).toBe('</v2/pages/of/tags/tags/list?n=2&last=b>; rel="next"');
    const last = await ask("/v2/pages/of/tags/tags/list?n=2&last=c");
    expect([(await json<{ tags: string[] }>(last)).tags, last.headers.get("link")]).toEqual([["d", "e"], null]);
    const catalog = await ask("/v2/_catalog?n=1000");
    expect((await json<{ repositories: string[] }>(catalog)).repositories).toContain("pages/of/tags");
  });
});

describe("what must not be possible", () => {
  test("names that climb out, and places that are not there, are refused", async () => {
    for (const path of ["/v2/UPPER/tags/list", "/v2/a/_tags/manifests/x", "/v2/a%2f..%2f..%2fb/tags/list"]) {
      expect((await ask(path)).status).toBe(400);
    }
    expect((await ask("/v2/a/manifests/..%2f..%2fsecret")).status).toBe(400);
    expect((await ask("/v2/a/blobs/uploads/..%2f..%2fx")).status).toBe(404);
    expect((await ask("/v2/a/blobs/sha256:zz")).status).toBe(400);
    expect((await ask("/etc/passwd")).status).toBe(404);
    expect((await ask("/v2/", { method: "POST" })).status).toBe(405);
  });

  test("a web page of another origin cannot push", async () => {
    const response = await ask("/v2/web/blobs/uploads/", {
      method: "POST",
      headers: { origin: "https://evil.example" },
    });
    expect([response.status, await codeOf(response)]).toEqual([403, "DENIED"]);
  });

  test("an upload belongs to its repository", async () => {
    const begun = await ask("/v2/mine/blobs/uploads/", { method: "POST" });
    const id = begun.headers.get("docker-upload-uuid");
    expect((await ask(`/v2/yours/blobs/uploads/${id}`)).status).toBe(404);
    await ask(`/v2/mine/blobs/uploads/${id}`, { method: "DELETE" });
  });

  test("serveRegistry() throws USAGE or IO when it cannot listen", async () => {
    const folder = join(scratch.path, "other");
    expect(await serveRegistry({ folder, listen: "nonsense" }).catch((error) => error.code)).toBe("USAGE");
    const listen = new URL(server.address).host;
    expect(await serveRegistry({ folder, listen }).catch((error) => error.code)).toBe("IO");
  });
});

interface IndexImage {
  readonly Digest: string;
  readonly Labels: Record<string, string>;
}

interface Index {
  readonly Registry: string;
  readonly Results: {
    readonly Name: string;
    readonly Images: IndexImage[];
    readonly Lists: { readonly Images: IndexImage[] }[];
  }[];
}

describe("the index for Flatpak", () => {
  const query = "architecture=amd64&os=linux&label:org.flatpak.ref:exists=1";
  const indexOf = async (address: string, rest: string) => json<Index>(await fetch(`${address}/index/static?${rest}`));
  const push = async (
    address: string,
    name: string,
    tag: string,
    ref: string,
    architecture = "amd64",
    join_ = false,
  ) => {
    const path = join(scratch.path, `index-${digestHex(digestOf(Buffer.from(name + tag + architecture))).slice(0, 8)}`);
    const sample = await sampleLayout(path, { ref, architecture, seed: name + tag });
    const target = new Registry(address).repository(name);
    await copyImage(await openLayout(path), target, { to: tag, keepOtherArchitectures: join_ });
    return sample.descriptor.digest;
  };

  test("tag=latest shows each ref once: by latest, else by its branch", async () => {
    await using own = await serveRegistry({ folder: join(scratch.path, "index"), listen: "127.0.0.1:0" });
    const { address } = own;
    const latest = await push(address, "a", "latest", "app/org.a/x86_64/stable");
    await push(address, "a", "stable", "app/org.a/x86_64/stable");
    const beta = await push(address, "a", "beta", "app/org.a/x86_64/beta");
    await push(address, "a", "v1.2", "app/org.a/x86_64/other");
    const runtime = await push(address, "r", "24.08", "runtime/org.r/x86_64/24.08");
    await push(address, "arm", "latest", "app/org.arm/aarch64/stable", "arm64");
    const index = await indexOf(address, `${query}&tag=latest`);
    expect(index.Registry).toBe("/");
    const seen = index.Results.flatMap((result) => result.Images.map((image) => `${result.Name} ${image.Digest}`));
    expect(seen).toEqual([`a ${latest}`, `a ${beta}`, `r ${runtime}`]);
    const one = (await indexOf(address, `${query}&tag=24.08`)).Results;
    expect(one).toHaveLength(1);
    expect(one[0]?.Images[0]).toMatchObject({
      Tags: ["24.08"],
      OS: "linux",
      Architecture: "amd64",
      MediaType: mediaTypes.ociManifest,
    });
    expect(one[0]?.Images[0]?.Labels["org.flatpak.ref"]).toBe("runtime/org.r/x86_64/24.08");
    expect((await indexOf(address, "architecture=arm64&tag=latest")).Results[0]?.Name).toBe("arm");
  });

  test("images of several architectures under one tag come as a list, and the ETag follows the content", async () => {
    await using own = await serveRegistry({ folder: join(scratch.path, "lists"), listen: "127.0.0.1:0" });
    const { address } = own;
    const intel = await push(address, "m", "stable", "app/org.m/x86_64/stable", "amd64", true);
    const url = `${address}/index/static?${query}&tag=latest`;
    const before = (await fetch(url)).headers.get("etag") ?? "";
    expect((await fetch(url, { headers: { "if-none-match": before } })).status).toBe(304);
    await push(address, "m", "stable", "app/org.m/aarch64/stable", "arm64", true);
    const after = await fetch(url, { headers: { "if-none-match": before } });
    expect(after.status).toBe(200);
    const [result] = (await json<Index>(after)).Results;
    expect(result?.Images).toEqual([]);
    expect(result?.Lists[0]).toMatchObject({
      Tags: ["stable"],
      MediaType: mediaTypes.ociIndex,
      Images: [{ Digest: intel }],
    });
    expect(result?.Lists[0]?.Images).toHaveLength(1);
  });

  test("an index whose members are missing is refused", async () => {
    const absent = { mediaType: mediaTypes.ociManifest, digest: digestOf(Buffer.from("none")), size: 4 };
    const bytes = encodeIndex({ mediaType: mediaTypes.ociIndex, manifests: [absent], annotations: new Map() });
    const put = await ask("/v2/m/manifests/v1", {
      method: "PUT",
      body: bytes,
      headers: { "content-type": mediaTypes.ociIndex },
    });
    expect(await codeOf(put)).toBe("MANIFEST_BLOB_UNKNOWN");
  });
});
