// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { push } from "../../../src/engine/push.ts";
import { signByGpg } from "../../../src/engine/signgpg.ts";
import { Registry } from "../../../src/oci/client/registry.ts";
import { type Digest, digestOf } from "../../../src/oci/digest.ts";
import { encodeIndex } from "../../../src/oci/manifest.ts";
import { mediaTypes } from "../../../src/oci/mediatypes.ts";
import { attachBundle, attachClassic } from "../../../src/oci/signatures/attach.ts";
import { serveRegistry } from "../../../src/registry/server.ts";
import { chooseVerification } from "../../../src/remotes/trust/choice.ts";
import { verifyImage } from "../../../src/remotes/trust/verify.ts";
import { addSample, appRef } from "../../engine/fixtures.ts";
import { TestFolder } from "../../store/images.ts";

const hello = appRef("Hello");
const folder = new TestFolder();
const layout = join(folder.path, "layout");
const store = folder.installation();
let registry: Awaited<ReturnType<typeof serveRegistry>>;

beforeAll(async () => {
  registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
});
afterAll(async () => {
  await registry.stop();
  folder[Symbol.dispose]();
});

/** An image in a repository of its own, and where it lies. */
async function publish(name: string, options: Parameters<typeof push>[2] = {}) {
  const commit = addSample(layout, { ref: hello, files: { name } });
  const base = `${registry.address}/`;
  await push(`oci:${layout}:${hello}`, `docker://${new URL(base).host}/${name}/app:stable`, options);
  const repository = new Registry(base).repository(`${name}/app`);
  const place = { kind: "registry", baseUrl: base, repository: `${name}/app` } as const;
  return { digest: `sha256:${commit}` as Digest, repository, place, host: new URL(base).host };
}

type Published = Awaited<ReturnType<typeof publish>>;

/** Puts an index of some manifests under a tag, and answers its descriptor. */
async function putIndex({ repository }: Published, digests: readonly Digest[], tag: string) {
  const manifests = await Promise.all(digests.map(async (digest) => (await repository.resolve(digest)).descriptor));
  const bytes = encodeIndex({ mediaType: mediaTypes.ociIndex, manifests, annotations: new Map() });
  const descriptor = { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: bytes.length };
  await repository.putManifest({ descriptor, bytes }, tag);
  return descriptor;
}

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = Buffer.from(publicKey.export({ type: "spki", format: "pem" }));

async function wantKey({ host, place }: Published): Promise<void> {
  await chooseVerification(store, `docker://${host}/${place.repository}`, { kind: "key", keys: [pem], log: [] });
}

for (const [format, attach] of [
  [
    "classic",
    async ({ repository }: Published, claim: Parameters<typeof attachClassic>[2]) =>
      attachClassic(repository, privateKey, claim),
  ],
  [
    "bundle",
    async ({ repository }: Published, claim: Parameters<typeof attachClassic>[2]) =>
      attachBundle(repository, privateKey, claim, (await repository.resolve(claim.digest)).descriptor),
  ],
] as const) {
  test(`verifyImage() takes a ${format} signature of an index for the images that it names, and for no others`, async () => {
    const image = await publish(`index-${format}`);
    await wantKey(image);
    const index = await putIndex(image, [image.digest], "stable");
    const verify = (digest: Digest, tags: readonly string[]) => verifyImage(store, image.place, digest, { tags });
    await expect(verify(image.digest, ["stable"])).rejects.toMatchObject({ code: "SIGNATURE_MISSING" });
    await attach(image, { digest: index.digest, reference: `${image.host}/${image.place.repository}` });
    const [signer] = await verify(image.digest, ["missing", "stable"]);
    expect(signer).toMatch(/^key /);
    await expect(verify(image.digest, [])).rejects.toMatchObject({ code: "SIGNATURE_MISSING" });
    await expect(verify(image.digest, ["missing"])).rejects.toMatchObject({ code: "SIGNATURE_MISSING" });
    const other = await publish(`index-${format}`);
    expect(other.digest).toBe(image.digest);
    const stranger = addSample(layout, { ref: hello, files: { name: "stranger" } });
    await push(`oci:${layout}:${hello}`, `docker://${image.host}/${image.place.repository}:stranger`);
    await expect(verify(`sha256:${stranger}` as Digest, ["stable", "stranger"])).rejects.toMatchObject({
      code: "SIGNATURE_MISSING",
    });
  });

  test(`verifyImage() refuses a ${format} signature of an index for another repository`, async () => {
    const image = await publish(`moved-${format}`);
    await wantKey(image);
    const index = await putIndex(image, [image.digest], "stable");
    await attach(image, { digest: index.digest, reference: `${image.host}/elsewhere/app` });
    await expect(verifyImage(store, image.place, image.digest, { tags: ["stable"] })).rejects.toMatchObject({
      code: "SIGNATURE_MISSING",
    });
  });
}

test("push() signs by GPG into a lookaside what verifyImage() and skopeo take", async () => {
  const home = join(folder.path, "gnupg");
  const lookaside = join(folder.path, "lookaside");
  mkdirSync(home);
  chmodSync(home, 0o700);
  const before = process.env["GNUPGHOME"];
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, GNUPGHOME: home };
  const gpg = (...words: string[]) => execFileSync("gpg", ["--batch", ...words], { env, stdio: "pipe" });
  process.env["GNUPGHOME"] = home;
  try {
    gpg("--passphrase", "", "--quick-gen-key", "publisher@example.org", "ed25519", "sign");
    const keyring = gpg("--export", "publisher@example.org");
    const signing = { gpg: { key: "publisher@example.org", lookaside } };
    const image = await publish("signed", signing);
    await publish("signed", signing);
    const [entry = ""] = readdirSync(join(lookaside, "signed"));
    expect(entry).toBe(`app@sha256=${image.digest.slice("sha256:".length)}`);
    expect(readdirSync(join(lookaside, "signed", entry)).sort()).toEqual(["signature-1", "signature-2"]);
    const url = `docker://${image.host}/signed/app`;
    await chooseVerification(store, url, { kind: "gpg", keys: [keyring], log: [] });
    const remote = { name: "r", gpgVerify: true, signatureLookaside: pathToFileURL(lookaside).href };
    const [signer] = await verifyImage(store, image.place, image.digest, { remote });
    const fingerprint = signer?.replace("GPG key ", "") ?? "";
    const manifest = join(folder.path, "manifest.json");
    writeFileSync(manifest, readFileSync(join(layout, "blobs", image.digest.replace(":", "/"))));
    const signature = join(lookaside, "signed", entry, "signature-1");
    const words = ["standalone-verify", manifest, `${image.host}/signed/app:stable`, fingerprint, signature];
    expect(execFileSync("skopeo", words, { env, encoding: "utf8" })).toContain("Signature verified");

    const named = await publish("gpg-index");
    const byGpg = { kind: "gpg", keys: [keyring], log: [] } as const;
    await chooseVerification(store, `docker://${named.host}/gpg-index/app`, byGpg);
    const index = await putIndex(named, [named.digest], "stable");
    const verify = () => verifyImage(store, named.place, named.digest, { remote, tags: ["stable"] });
    await expect(verify()).rejects.toMatchObject({ code: "SIGNATURE_MISSING" });
    await signByGpg(named.repository, { digest: index.digest, tag: "stable" }, signing.gpg, undefined);
    expect(await verify()).toEqual([`GPG key ${fingerprint}`]);

    await expect(publish("unsigned", { gpg: { key: "nobody@example.org", lookaside } })).rejects.toMatchObject({
      code: "KEY_INVALID",
    });
  } finally {
    execFileSync("gpgconf", ["--kill", "all"], { env, stdio: "ignore" });
    if (before === undefined) delete process.env["GNUPGHOME"];
    else process.env["GNUPGHOME"] = before;
  }
});
