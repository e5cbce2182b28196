// SPDX-License-Identifier: Apache-2.0
// Registries that lie, lead astray or never end, as a remote's list of refs meets them.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { digestOf } from "../../src/oci/digest.ts";
import { mediaTypes } from "../../src/oci/mediatypes.ts";
import { listRefs } from "../../src/remotes/catalogue.ts";
import { catalogueLayerType, catalogueType } from "../../src/remotes/shop/format.ts";
import type { Remote } from "../../src/remotes/types.ts";
import { arch, metadataFor } from "../engine/fixtures.ts";

type Handler = (url: URL, request: Request) => Response | Promise<Response>;

let folder: string;
let handler: Handler;
let server: Bun.Server<undefined>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dowel-hostile-"));
  server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => handler(new URL(request.url), request) });
});

afterEach(async () => {
  await server.stop(true);
  rmSync(folder, { recursive: true });
});

function remote(): Remote {
  const flags = { priority: 1, disabled: false, noEnumerate: false, noDeps: false, gpgVerify: false };
  return { name: "demo", url: `oci+http://127.0.0.1:${server.port}/apps`, ...flags };
}

const goArch = process.arch === "arm64" ? "arm64" : "amd64";
const none = (): Response => new Response("", { status: 404 });

function image(ref: string, more: object = {}): object {
  const labels = { "org.flatpak.ref": ref, "org.flatpak.metadata": metadataFor(ref) };
  const digest = digestOf(Buffer.from(ref));
  return {
    Digest: digest,
    MediaType: mediaTypes.ociManifest,
    OS: "linux",
    Architecture: goArch,
    Labels: labels,
    ...more,
  };
}

const indexOf = (results: readonly object[]): Response => Response.json({ Registry: "/", Results: results });

/** Answers a catalogue made of these parts, and nothing else. */
function catalogue(layer: Uint8Array, changes: { type?: string; stated?: Uint8Array; padding?: number } = {}): Handler {
  const digest = digestOf(changes.stated ?? layer);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: changes.type ?? catalogueType,
    config: { mediaType: mediaTypes.ociEmpty, digest: digestOf(Buffer.from("{}")), size: 2 },
    layers: [{ mediaType: catalogueLayerType, digest, size: layer.length }],
    annotations: { padding: "x".repeat(changes.padding ?? 0) },
  });
  return ({ pathname }) => {
    if (pathname === `/v2/apps/catalogue/blobs/${digest}`) return new Response(layer);
    if (pathname !== "/v2/apps/catalogue/manifests/latest") return none();
    return new Response(manifest, { headers: { "content-type": mediaTypes.ociManifest } });
  };
}

const packed = (value: unknown): Uint8Array => zstdCompressSync(Buffer.from(JSON.stringify(value)));

function manyEntries(count: number): Response {
  const one = JSON.stringify(image("app/a.b.c/x/y", { Labels: {} }));
  let left = count;
  const body = async function* () {
    yield Buffer.from('{"Registry":"/","Results":[{"Name":"apps/many","Images":[');
    for (; left > 1; left -= Math.min(left - 1, 1000)) yield Buffer.from(`${one},`.repeat(Math.min(left - 1, 1000)));
    yield Buffer.from(`${one}]}]}`);
  };
  return new Response(body(), { headers: { "content-type": "application/json" } });
}

const cases: readonly (readonly [string, string, Handler])[] = [
  [
    "leads in circles",
    "REGISTRY_RESPONSE",
    (url) => Response.redirect(`${url.origin}/x${url.pathname}`.slice(0, 200), 307),
  ],
  [
    "leads to another scheme",
    "REGISTRY_RESPONSE",
    () => new Response("", { status: 302, headers: { location: "file:///etc/passwd" } }),
  ],
  ["leads to nowhere", "REGISTRY_RESPONSE", () => new Response("", { status: 308 })],
  [
    "wants to be left alone for long",
    "REGISTRY_UNREACHABLE",
    () => new Response("", { status: 429, headers: { "retry-after": "86400" } }),
  ],
  ["has only errors", "REGISTRY_UNREACHABLE", () => new Response("", { status: 503 })],
  ["lists a million images", "LIMIT_EXCEEDED", () => manyEntries(1_000_000)],
  ["lists more images than are allowed", "LIMIT_EXCEEDED", () => manyEntries(200_001)],
  ["nests its list for ever", "REGISTRY_RESPONSE", () => new Response(`{"Results":${"[".repeat(1_000_000)}`)],
  [
    "has a catalogue with another digest",
    "DIGEST_MISMATCH",
    catalogue(packed({ version: 1, images: [] }), { stated: packed({ version: 1, images: [1] }) }),
  ],
  ["has a catalogue that is a bomb", "LIMIT_EXCEEDED", catalogue(zstdCompressSync(Buffer.alloc(200 << 20, 0x20)))],
  ["has a catalogue that is no zstd", "COMPRESSION_INVALID", catalogue(Buffer.from("{}"))],
  ["has a catalogue of another version", "REGISTRY_RESPONSE", catalogue(packed({ version: 2, images: [] }))],
  ["has a catalogue whose manifest is huge", "LIMIT_EXCEEDED", catalogue(packed({}), { padding: 5 << 20 })],
  [
    "has something else where catalogues are",
    "REGISTRY_NOT_FOUND",
    catalogue(packed({}), { type: "application/vnd.other" }),
  ],
];

test.each(cases)("listRefs() of a registry that %s ends in an error that names the remote", async (_, code, answer) => {
  handler = () => indexOf([{ Name: "apps/org.test.hello", Images: [image(`app/org.test.Hello/${arch}/stable`)] }]);
  const before = await listRefs(remote(), { cacheFolder: folder });
  expect(before).toHaveLength(1);
  const kept = readFileSync(join(folder, "oci/demo.index.json"), "utf8");
  handler = answer;
  const error = await listRefs(remote(), { cacheFolder: folder }).catch((reason) => reason);
  expect(error).toMatchObject({ code, message: expect.stringMatching(/^Remote demo: /) });
  expect(readFileSync(join(folder, "oci/demo.index.json"), "utf8")).toBe(kept);
  expect(await listRefs(remote(), { cacheFolder: folder, cached: true })).toEqual(before);
});

test("listRefs() leaves out what has names that lead elsewhere or would write to the terminal", async () => {
  const good = image(`app/org.test.Good/${arch}/stable`);
  const bad = [
    `app/../../etc/${arch}/stable`,
    `app/org.test.Bad/${arch}/../x`,
    `app/org.test.Bad/${arch}/a\u001b[2J`,
    `app/org.test.Bad\0/${arch}/stable`,
    "app/org.test.Bad/../stable",
    "",
  ].map((ref) => image(ref));
  handler = () =>
    indexOf([
      { Name: "apps/org.test.good", Images: [good, ...bad] },
      {
        Name: "../../other",
        Images: [image(`app/org.test.Good/${arch}/stable`, { Digest: digestOf(Buffer.from("x")) })],
      },
    ]);
  const refs = await listRefs(remote());
  expect(refs.map(({ ref, place }) => [ref.id, place])).toEqual([
    [
      "org.test.Good",
      { kind: "registry", baseUrl: `http://127.0.0.1:${server.port}/`, repository: "apps/org.test.good" },
    ],
  ]);
});

test("listRefs() takes the image in the ref's own repository when another claims to be it", async () => {
  const ref = `app/org.test.Hello/${arch}/stable`;
  const other = {
    "org.flatpak.timestamp": "9999999999",
    "org.flatpak.ref": ref,
    "org.flatpak.metadata": metadataFor(ref),
  };
  const entries = [
    {
      tag: "a",
      repository: "somebody.else",
      digest: digestOf(Buffer.from("lie")),
      tags: ["stable", "latest"],
      labels: other,
    },
    {
      tag: "b",
      repository: "org.test.hello",
      digest: digestOf(Buffer.from("true")),
      tags: ["stable"],
      labels: { ...other, "org.flatpak.timestamp": "1" },
    },
  ];
  handler = catalogue(packed({ version: 1, images: entries }));
  const refs = await listRefs(remote());
  expect(refs.map(({ place, commit }) => [place.kind === "registry" && place.repository, commit])).toEqual([
    ["apps/org.test.hello", digestOf(Buffer.from("true")).slice("sha256:".length)],
  ]);
});
