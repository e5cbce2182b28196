// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { installedAttestation, offeredAttestation } from "../../src/engine/attestations.ts";
import { createUsb } from "../../src/engine/createusb.ts";
import { push } from "../../src/engine/push.ts";
import { putBytes, putDocument } from "../../src/oci/artifact.ts";
import { attachAttestation, findAttestations, listAttestations } from "../../src/oci/attestations.ts";
import { Registry } from "../../src/oci/client/registry.ts";
import type { Digest } from "../../src/oci/digest.ts";
import { openLayout } from "../../src/oci/layout.ts";
import { openLayoutWriter } from "../../src/oci/layoutwriter.ts";
import { mediaTypes } from "../../src/oci/mediatypes.ts";
import { serveRegistry } from "../../src/registry/server.ts";
import { chooseVerification } from "../../src/remotes/trust/choice.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install, platform } from "./fixtures.ts";

const folder = new TestFolder();
let registry: Awaited<ReturnType<typeof serveRegistry>>;
beforeAll(async () => {
  registry = await serveRegistry({ folder: join(folder.path, "registry"), listen: "127.0.0.1:0" });
});
afterAll(async () => {
  await registry.stop();
  folder[Symbol.dispose]();
});

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = Buffer.from(publicKey.export({ type: "spki", format: "pem" }));

function spdx(name: string): Uint8Array {
  const info = { created: "1970-01-01T00:00:00Z", creators: ["Tool: t-1"] };
  const packages = [{ name: "zlib", versionInfo: "1.3", licenseDeclared: "Zlib", downloadLocation: "NOASSERTION" }];
  return Buffer.from(JSON.stringify({ spdxVersion: "SPDX-2.3", name, creationInfo: info, packages }));
}

function provenance(sha256: string): Uint8Array {
  const predicate = {
    buildDefinition: { buildType: "urn:t", externalParameters: { ref: "r", deep: {} }, resolvedDependencies: [] },
    runDetails: { builder: { id: "urn:b" } },
  };
  const statement = { predicateType: "https://slsa.dev/provenance/v1", subject: [{ digest: { sha256 } }], predicate };
  return Buffer.from(JSON.stringify(statement));
}

/** A layout with one app, on which both documents hang. */
async function attested(name: string) {
  const layout = join(folder.path, name);
  const ref = appRef("Hello");
  const commit = addSample(layout, { ref, files: { name } });
  await using source = await openLayout(layout);
  const { descriptor } = await source.resolve(ref);
  const writer = await openLayoutWriter(layout);
  await attachAttestation(writer, descriptor, "sbom", spdx(name));
  await attachAttestation(writer, descriptor, "provenance", provenance(commit));
  return { layout, ref, commit, descriptor };
}

function repositoryOf(namespace: string): ReturnType<Registry["repository"]> {
  return new Registry(`${registry.address}/`).repository(`${namespace}/org.test.hello`);
}

function remoteOf(namespace: string): string {
  return `oci+${registry.address}/${namespace}`;
}

test("push() keeps what hangs on an image: from a layout, from a registry and to a medium", async () => {
  const { layout, commit } = await attested("kept");
  const store = folder.installation();
  await push(`oci:${layout}`, remoteOf("kept"));
  addSample(layout, { ref: platform });
  await push(`oci:${layout}:${platform}`, remoteOf("kept"));
  await install(store, [remoteOf("kept"), "org.test.Hello"]);
  const found = await installedAttestation([store], "org.test.Hello", "sbom");
  expect(found).toMatchObject({
    ...{ commit, signers: [], document: { name: "kept" } },
    summary: { parts: [{ name: "zlib", version: "1.3", licence: "Zlib", location: "" }] },
  });
  expect(await offeredAttestation([store], remoteOf("kept"), "org.test.Hello", "provenance")).toMatchObject({
    summary: { builder: "urn:b", parameters: [["ref", "r"]] },
  });

  await push("org.test.Hello", remoteOf("mirror"), { installations: [store] });
  const digest = `sha256:${commit}` as Digest;
  expect(await listAttestations(repositoryOf("mirror"), digest)).toHaveLength(2);
  await createUsb([store], folder.path, ["org.test.Hello"]);
  await using medium = await openLayout(join(folder.path, ".dowel/images"));
  const [sbom] = await findAttestations(medium, digest, "sbom");
  expect(Buffer.from(sbom?.bytes ?? []).toString()).toBe(Buffer.from(spdx("kept")).toString());
});

test("a layout forgets what hangs on an image when another takes its name, and is still of one image without a name", async () => {
  const { layout, ref, descriptor } = await attested("replaced");
  await using source = await openLayout(layout);
  expect((await source.resolve()).descriptor.digest).toBe(descriptor.digest);
  const other = join(folder.path, "other");
  addSample(other, { ref, files: { name: "other" } });
  await using next = await openLayout(other);
  const document = await next.resolve(ref);
  await (await openLayoutWriter(layout)).putManifest(document, ref);
  expect((await source.images()).map(({ digest }) => digest)).toEqual([document.descriptor.digest]);
});

test("push() signs what hangs on an image, and a policy that wants signatures wants them there, too", async () => {
  const { layout, commit } = await attested("signed");
  const home = folder.installation("signed");
  const host = new URL(registry.address).host;
  await chooseVerification(home, `docker://${host}/signed`, { kind: "key", keys: [pem], log: [] });
  const read = () => offeredAttestation([home], remoteOf("signed"), "org.test.Hello", "sbom");
  await push(`oci:${layout}`, remoteOf("signed"));
  await expect(read()).rejects.toMatchObject({ code: "SIGNATURE_MISSING" });
  await push(`oci:${layout}`, remoteOf("signed"), { signKey: privateKey });
  expect((await read()).signers).toEqual([expect.stringMatching(/^key /)]);

  // What somebody else hangs there later does not hide what the publisher signed.
  const repository = repositoryOf("signed");
  const image = (await repository.resolve(`sha256:${commit}`)).descriptor;
  await attachAttestation(repository, image, "sbom", spdx("stranger"));
  expect((await read()).document).toMatchObject({ name: "signed" });
});

test("what only seems to be about an image is not shown", async () => {
  const { layout, commit, descriptor } = await attested("seeming");
  await push(`oci:${layout}`, remoteOf("seeming"));
  const repository = repositoryOf("seeming");
  const digest = `sha256:${commit}` as Digest;
  const blob = await putBytes(repository, provenance("ab".repeat(32)), "application/vnd.in-toto+json", undefined);
  const shared = { mediaType: mediaTypes.ociManifest, artifactType: "application/vnd.in-toto+json" };
  const config = await putBytes(repository, Buffer.from("{}"), mediaTypes.ociEmpty, undefined);
  const subject = { mediaType: descriptor.mediaType, digest, size: descriptor.size };
  await putDocument(
    repository,
    { ...shared, config, layers: [blob], annotations: new Map(), subject },
    undefined,
    undefined,
  );
  const found = await offeredAttestation(
    [folder.installation("s")],
    remoteOf("seeming"),
    "org.test.Hello",
    "provenance",
  );
  expect(found.summary).toMatchObject({ builder: "urn:b" });

  const plain = join(folder.path, "plain");
  const ref = appRef("Plain");
  addSample(plain, { ref });
  await push(`oci:${plain}`, remoteOf("seeming"));
  await expect(
    offeredAttestation([folder.installation("s")], remoteOf("seeming"), "org.test.Plain", "sbom"),
  ).rejects.toMatchObject({ code: "ATTESTATION_MISSING" });
});

test("a document that is malformed is refused with its place", async () => {
  const layout = join(folder.path, "malformed");
  const ref = appRef("Hello");
  addSample(layout, { ref, files: { name: "malformed" } });
  await using source = await openLayout(layout);
  const { descriptor } = await source.resolve(ref);
  for (const text of ['{"spdxVersion":"SPDX-2.3","spdxVersion":"x"}', '{"spdxVersion":"SPDX-3.0"}', "{"]) {
    await attachAttestation(await openLayoutWriter(layout), descriptor, "sbom", Buffer.from(text));
    await expect(
      offeredAttestation([folder.installation("m")], `oci:${layout}`, "org.test.Hello", "sbom"),
    ).rejects.toMatchObject({ code: "ATTESTATION_INVALID", message: expect.stringContaining("malformed@sha256:") });
  }
});
