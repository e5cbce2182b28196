// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import type { DowelEvent } from "../../src/base/events.ts";
import { attachAttestation } from "../../src/oci/attestations.ts";
import { Registry } from "../../src/oci/client/registry.ts";
import { copyImage } from "../../src/oci/copy.ts";
import { copyReferrers } from "../../src/oci/copyreferrers.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { loadImage } from "../../src/oci/image.ts";
import { openLayout } from "../../src/oci/layout.ts";
import { openLayoutWriter } from "../../src/oci/layoutwriter.ts";
import { encodeManifest } from "../../src/oci/manifest.ts";
import { mediaTypes } from "../../src/oci/mediatypes.ts";
import { collect } from "../../src/oci/verify.ts";
import { sampleLayout, scratchFolder } from "../oci/sample.ts";

let scratch: Awaited<ReturnType<typeof scratchFolder>>;
const peers: ChildProcess[] = [];
let host: string;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Starts docker-registry on a free port; resolves to `HOST:PORT`. */
async function startPeer(name: string, auth = ""): Promise<string> {
  const address = `127.0.0.1:${await freePort()}`;
  const config = join(scratch.path, `${name}.yml`);
  const storage = `{filesystem: {rootdirectory: ${join(scratch.path, name)}}, delete: {enabled: true}}`;
  const lines = ["version: 0.1", "log: {level: error, accesslog: {disabled: true}}", `storage: ${storage}`];
  await writeFile(config, [...lines, `http: {addr: "${address}"}`, auth, ""].join("\n"));
  peers.push(spawn("docker-registry", ["serve", config], { stdio: "ignore" }));
  return address;
}

beforeAll(async () => {
  scratch = await scratchFolder();
  host = await startPeer("open");
  await Registry.forHost(host, { attempts: 30, pauseMilliseconds: 5 }).ping();
});

afterAll(async () => {
  for (const peer of peers) {
    peer.kill();
    if (peer.exitCode === null) await once(peer, "exit");
  }
  await scratch[Symbol.asyncDispose]();
});

describe("against docker-registry", () => {
  test("copyImage() pushes an image and pulls the same bytes back", async () => {
    const from = join(scratch.path, "from");
    const sample = await sampleLayout(from, { layerBytes: 40_000_000, name: "v1" });
    const repository = Registry.forHost(host).repository("apps/hello");
    const events: DowelEvent[] = [];
    const digest = await copyImage(await openLayout(from), repository, {
      to: "v1",
      report: (event) => events.push(event),
    });
    expect(digest).toBe(sample.descriptor.digest);
    expect(events.filter((event) => event.type === "push.blob").map((event) => event.how)).toEqual(["sent", "sent"]);
    const back = join(scratch.path, "back");
    await copyImage(repository, await openLayoutWriter(back), { from: "v1", to: "again" });
    const image = await loadImage(await openLayout(back), "again", "x86_64");
    expect(image.descriptor.digest).toBe(sample.descriptor.digest);
    expect(image.labels?.ref).toBe("app/org.example.Hello/x86_64/stable");
    const range = repository.openRange(sample.layer, { offset: 1000, length: 5000 });
    expect(Buffer.compare(await collect(range, 5000, "range"), sample.layerBytes.subarray(1000, 6000))).toBe(0);
  });

  test("copyReferrers() hangs on the fallback tag what hung on an image, and skopeo lists it", async () => {
    const from = join(scratch.path, "attested");
    const { descriptor } = await sampleLayout(from, { name: "v1" });
    const writer = await openLayoutWriter(from);
    const { digest } = await attachAttestation(writer, descriptor, "sbom", Buffer.from("{}"));
    const repository = Registry.forHost(host).repository("apps/attested");
    await using source = await openLayout(from);
    await copyImage(source, repository, { from: "v1", to: "v1" });
    await copyReferrers(source, repository, descriptor.digest);
    const tag = `docker://${host}/apps/attested:${descriptor.digest.replace(":", "-")}`;
    const raw = execFileSync("skopeo", ["inspect", "--raw", "--tls-verify=false", tag], { encoding: "utf8" });
    expect(JSON.parse(raw)).toMatchObject({ manifests: [{ digest, artifactType: "application/spdx+json" }] });
    expect(await repository.referrers(descriptor.digest)).toMatchObject([{ digest }]);
  });

  test("openSpans() gives hundreds of parts, by few requests", async () => {
    const from = join(scratch.path, "spans");
    const sample = await sampleLayout(from, { layerBytes: 4_000_000, name: "v1" });
    const repository = Registry.forHost(host).repository("apps/spans");
    await copyImage(await openLayout(from), repository, { to: "v1" });
    const spans = Array.from({ length: 600 }, (_, at) => ({ start: at * 5000 + 7, end: at * 5000 + 1000 + at }));
    const parts: Uint8Array[] = [];
    let at = spans[0]?.start ?? 0;
    for await (const { offset, bytes } of repository.openSpans(sample.layer, spans)) {
      if (offset !== at) expect(spans.map(({ start }) => start)).toContain(offset);
      at = offset + bytes.length;
      parts.push(new Uint8Array(bytes));
    }
    const expected = Buffer.concat(spans.map(({ start, end }) => sample.layerBytes.subarray(start, end)));
    expect(Buffer.compare(Buffer.concat(parts), expected)).toBe(0);
  });

  test("copyImage() sends nothing twice and mounts what another repository has", async () => {
    const from = join(scratch.path, "twice");
    await sampleLayout(from);
    const registry = Registry.forHost(host);
    const how: string[] = [];
    const report = (event: DowelEvent): void => {
      if (event.type === "push.blob") how.push(event.how);
    };
    const one = registry.repository("twice/one");
    await copyImage(await openLayout(from), one, { to: "v1", report });
    await copyImage(await openLayout(from), one, { to: "v2", report });
    await copyImage(one, registry.repository("twice/two"), { from: "v1", to: "v1", report });
    expect(how).toEqual(["sent", "sent", "present", "present", "mounted", "mounted"]);
    const tags = (await Array.fromAsync(one.tags())).flat();
    expect(tags.sort()).toEqual(["v1", "v2"]);
    expect((await Array.fromAsync(registry.catalog())).flat()).toContain("twice/two");
  });

  test("copyImage() makes an index when the tag has another architecture", async () => {
    const intel = join(scratch.path, "intel");
    const arm = join(scratch.path, "arm");
    const first = await sampleLayout(intel);
    const second = await sampleLayout(arm, { architecture: "arm64", ref: "app/org.example.Hello/aarch64/stable" });
    const repository = Registry.forHost(host).repository("multi");
    const options = { to: "latest", keepOtherArchitectures: true };
    for (const path of [intel, arm, intel]) await copyImage(await openLayout(path), repository, options);
    expect((await loadImage(repository, "latest", "x86_64")).descriptor.digest).toBe(first.descriptor.digest);
    expect((await loadImage(repository, "latest", "aarch64")).descriptor.digest).toBe(second.descriptor.digest);
    const all = join(scratch.path, "all");
    await copyImage(repository, await openLayoutWriter(all), { to: "all" });
    expect((await loadImage(await openLayout(all), "all", "aarch64")).labels?.ref).toBe(
      "app/org.example.Hello/aarch64/stable",
    );
  });

  test("loadImage() finds in a list of variants, nested or not, what every machine runs", async () => {
    const repository = Registry.forHost(host).repository("variants");
    const push = async (name: string, variant: string | undefined) => {
      const layout = join(scratch.path, `variant-${name}`);
      const { descriptor } = await sampleLayout(layout, { seed: name });
      await copyImage(await openLayout(layout), repository, { to: name });
      const platform = { os: "linux", architecture: "amd64", ...(variant === undefined ? {} : { variant }) };
      return { ...descriptor, annotations: undefined, platform };
    };
    const put = async (tag: string, manifests: readonly object[]) => {
      const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
      const headers = { "content-type": mediaTypes.ociIndex };
      const answer = await fetch(`http://${host}/v2/variants/manifests/${tag}`, { method: "PUT", headers, body });
      expect(answer.status).toBe(201);
      const platform = { os: "linux", architecture: "amd64" };
      const digest = digestOf(Buffer.from(body));
      return { mediaType: mediaTypes.ociIndex, digest, size: Buffer.byteLength(body), platform };
    };
    const [newest, plain, second] = [await push("v3", "v3"), await push("plain", undefined), await push("v2", "v2")];
    const inner = await put("flat", [newest, plain, second]);
    await put("nested", [{ ...newest, platform: { ...newest.platform, variant: "v4" } }, inner]);
    await put("only-newer", [newest, second]);
    const digests = async (...tags: readonly string[]) =>
      await Promise.all(tags.map(async (tag) => (await loadImage(repository, tag, "x86_64")).descriptor.digest));
    expect(await digests("flat", "nested", "only-newer")).toEqual([plain.digest, plain.digest, second.digest]);
    await expect(loadImage(repository, "flat", "aarch64")).rejects.toMatchObject({ code: "OCI_PLATFORM_MISSING" });
  });

  test("referrers() finds by the fallback tag what was pushed with a subject", async () => {
    const from = join(scratch.path, "subject");
    const sample = await sampleLayout(from);
    const repository = Registry.forHost(host).repository("signed");
    await copyImage(await openLayout(from), repository, { to: "v1" });
    const empty = Buffer.from("{}");
    const config = { mediaType: mediaTypes.ociEmpty, digest: digestOf(empty), size: 2 };
    await repository.putBlob(
      config,
      (async function* () {
        yield empty;
      })(),
    );
    const bytes = encodeManifest({
      mediaType: mediaTypes.ociManifest,
      artifactType: "application/vnd.example.sbom",
      config,
      layers: [config],
      subject: {
        mediaType: sample.descriptor.mediaType,
        digest: sample.descriptor.digest,
        size: sample.descriptor.size,
      },
      annotations: new Map(),
    });
    const descriptor = { mediaType: mediaTypes.ociManifest, digest: digestOf(bytes), size: bytes.byteLength };
    await repository.putManifest({ descriptor, bytes });
    const found = await repository.referrers(sample.descriptor.digest, "application/vnd.example.sbom");
    expect(found.map(({ digest }) => digest)).toEqual([descriptor.digest]);
    expect(await repository.referrers(sample.descriptor.digest, "application/other")).toEqual([]);
  });

  test("deleteManifest() removes a manifest", async () => {
    const from = join(scratch.path, "gone");
    const sample = await sampleLayout(from);
    const repository = Registry.forHost(host).repository("gone");
    await copyImage(await openLayout(from), repository, { to: "v1" });
    await repository.deleteManifest(sample.descriptor.digest);
    expect(await repository.head("v1")).toBeUndefined();
  });

  test("a registry with a password is pushed to with stored credentials, and refuses others", async () => {
    const users = join(scratch.path, "htpasswd");
    await writeFile(users, `alice:${await Bun.password.hash("secret", { algorithm: "bcrypt", cost: 4 })}\n`);
    const closed = await startPeer("closed", `auth: {htpasswd: {realm: test, path: ${users}}}`);
    const connect = (password: string, attempts = 1): Registry =>
      Registry.forHost(closed, {
        credentials: async () => ({ user: "alice", password }),
        attempts,
        pauseMilliseconds: 5,
      });
    await connect("secret", 30).ping();
    const from = join(scratch.path, "private");
    const sample = await sampleLayout(from);
    await copyImage(await openLayout(from), connect("secret").repository("private"), { to: "v1" });
    expect((await connect("secret").repository("private").head("v1"))?.digest).toBe(sample.descriptor.digest);
    const refused = await connect("guess")
      .repository("private")
      .resolve("v1")
      .catch((error) => error);
    expect(refused).toMatchObject({ code: "REGISTRY_AUTH" });
    expect(refused.message).not.toContain("guess");
  });
});
