// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import type { FoundSignatures } from "../../../src/oci/signatures/found.ts";
import type { SignedImage } from "../../../src/oci/signatures/identity.ts";
import { judge } from "../../../src/oci/signatures/judge.ts";
import { decodePolicy, rulingFor } from "../../../src/oci/signatures/policy.ts";
import {
  bundleByKey,
  bundleOf,
  classicByKey,
  classicOf,
  Folder,
  image,
  makeKeys,
  nothing,
  otherDigest,
  pemOf,
  reference,
  TestAuthority,
  TestLog,
} from "./support.ts";

const folder = new Folder();
afterAll(() => folder[Symbol.dispose]());
const publisher = makeKeys();
const stranger = makeKeys();
const keyPath = folder.write("publisher.pub", pemOf(publisher.publicKey));

function rule(...requirements: readonly object[]) {
  const text = JSON.stringify({ default: [{ type: "reject" }], transports: { docker: { [reference]: requirements } } });
  return rulingFor(decodePolicy(Buffer.from(text), "policy.json"), image.host, image.repository, `@${image.digest}`);
}

const byKey = { type: "sigstoreSigned", keyPath, signedIdentity: { type: "matchRepository" } };

function decide(requirement: object, found: Partial<FoundSignatures>, asked: SignedImage = image) {
  const readKey = (path: string) => readFileSync(path);
  return judge(rule(requirement), { image: asked, found: { ...nothing, ...found }, readKey });
}

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => new Error("it was accepted"),
    (reason: unknown) => reason,
  );
  return `${error instanceof Error && "code" in error ? String(error.code) : ""} ${String(error)}`;
}

describe("judge() by key", () => {
  test("accepts a classic signature and a bundle of the key, and names it", async () => {
    expect(await decide(byKey, { classic: [classicByKey(publisher.privateKey)] })).toEqual([
      expect.stringMatching(/^key SHA256:/),
    ]);
    expect(await decide(byKey, { bundles: [bundleByKey(publisher.privateKey)] })).toHaveLength(1);
  });

  test("takes the good one of several", async () => {
    const classic = [classicByKey(stranger.privateKey), classicByKey(publisher.privateKey)];
    expect(await decide(byKey, { classic })).toHaveLength(1);
  });

  test("refuses without a signature, and says what to do", async () => {
    expect(await reasonOf(decide(byKey, {}))).toContain(`SIGNATURE_MISSING`);
  });

  test("refuses another key, another image, another repository, a changed payload", async () => {
    const { privateKey } = publisher;
    const changed = classicByKey(privateKey);
    const cases: readonly [Partial<FoundSignatures>, string][] = [
      [{ classic: [classicByKey(stranger.privateKey)] }, "no key of the policy made it"],
      [{ bundles: [bundleByKey(stranger.privateKey)] }, "sigstore bundle 1: "],
      [{ classic: [classicByKey(privateKey, { digest: otherDigest, reference })] }, `another image, ${otherDigest}`],
      [{ bundles: [bundleByKey(privateKey, { digest: otherDigest, reference })] }, `another image, ${otherDigest}`],
      [{ classic: [classicByKey(privateKey, { digest: image.digest, reference: `${reference}x` })] }, "it is for "],
      [{ bundles: [bundleByKey(privateKey, { digest: image.digest, reference: "" })] }, "it names no repository"],
      [
        { classic: [{ ...changed, payload: Buffer.concat([changed.payload, Buffer.from(" ")]) }] },
        "no key of the policy",
      ],
      [{ bundles: [Buffer.from("{}")] }, "not a sigstore bundle"],
    ];
    for (const [found, reason] of cases) {
      const said = await reasonOf(decide(byKey, found));
      expect(said).toContain("SIGNATURE_REFUSED");
      expect(said).toContain(reason);
    }
  });

  test("refuses what the key signed in another form: with fields unknown, twice or missing", async () => {
    const claim = {
      critical: {
        identity: { "docker-reference": reference },
        image: { "docker-manifest-digest": image.digest },
        type: "cosign container image signature",
      },
      optional: null,
    };
    const plain = JSON.stringify(claim);
    const digestText = `"docker-manifest-digest":"${image.digest}"`;
    const texts = [
      JSON.stringify({ ...claim, more: 1 }),
      JSON.stringify({ ...claim, critical: { ...claim.critical, more: 1 } }),
      JSON.stringify({ critical: { ...claim.critical, type: "atomic container signature" }, optional: null }),
      plain.replace(digestText, `"docker-manifest-digest":"${otherDigest}",${digestText}`),
      plain.replace('"critical"', '"critical":{},"critical"'),
      `${plain} {}`,
    ];
    expect(await decide(byKey, { classic: [classicOf(publisher.privateKey, Buffer.from(plain))] })).toHaveLength(1);
    for (const text of texts) {
      const said = await reasonOf(decide(byKey, { classic: [classicOf(publisher.privateKey, Buffer.from(text))] }));
      expect([text, said]).toEqual([text, expect.stringContaining("SIGNATURE_REFUSED")]);
    }
  });

  test("refuses statements of the key that are no signatures, or name another image beside a field twice", async () => {
    const subject = [{ name: reference, digest: { sha256: image.digest.slice("sha256:".length) } }];
    const statement = {
      ...{ _type: "https://in-toto.io/Statement/v1", subject },
      ...{ predicateType: "https://sigstore.dev/cosign/sign/v1", predicate: {} },
    };
    const plain = JSON.stringify(statement);
    const texts = [
      JSON.stringify({ ...statement, predicateType: "https://slsa.dev/provenance/v1" }),
      JSON.stringify({ ...statement, _type: "https://in-toto.io/Statement/v0.1" }),
      JSON.stringify({ ...statement, more: 1 }),
      JSON.stringify({ ...statement, subject: [] }),
      plain.replace('"subject"', '"subject":[],"subject"'),
      plain.replace('"sha256"', '"sha512":"00","sha256"'),
    ];
    expect(await decide(byKey, { bundles: [bundleOf(publisher.privateKey, Buffer.from(plain))] })).toHaveLength(1);
    for (const text of texts) {
      const said = await reasonOf(decide(byKey, { bundles: [bundleOf(publisher.privateKey, Buffer.from(text))] }));
      expect([text, said]).toEqual([text, expect.stringContaining("SIGNATURE_REFUSED")]);
    }
  });

  test("holds Ed25519, P-384 and RSA signatures, and refuses a short RSA key", async () => {
    const kinds = [
      generateKeyPairSync("ed25519"),
      generateKeyPairSync("ec", { namedCurve: "P-384" }),
      generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ];
    for (const { publicKey, privateKey } of kinds) {
      const keyData = Buffer.from(pemOf(publicKey)).toString("base64");
      const requirement = { type: "sigstoreSigned", keyData, signedIdentity: { type: "matchRepository" } };
      expect(await decide(requirement, { classic: [classicByKey(privateKey)] })).toHaveLength(1);
      expect(await reasonOf(decide(requirement, { classic: [classicByKey(stranger.privateKey)] }))).toContain(
        "REFUSED",
      );
    }
    const short = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const keyData = Buffer.from(pemOf(short.publicKey)).toString("base64");
    const said = await reasonOf(
      decide({ type: "sigstoreSigned", keyData }, { classic: [classicByKey(short.privateKey)] }),
    );
    expect(said).toContain("KEY_INVALID");
  });

  test("asks for the promise of a log where the policy names one", async () => {
    const log = new TestLog();
    const logKey = folder.write("log.pub", pemOf(log.keys.publicKey));
    const requirement = { ...byKey, rekorPublicKeyPath: logKey };
    const plain = classicByKey(publisher.privateKey);
    const now = Math.floor(Date.now() / 1000);
    const seen = { ...plain, logEntry: log.entry(plain, pemOf(publisher.publicKey), now) };
    expect(await decide(requirement, { classic: [seen] })).toHaveLength(1);
    expect(await reasonOf(decide(requirement, { classic: [plain] }))).toContain("no entry of a transparency log");
    const forged = new TestLog();
    const lie = { ...plain, logEntry: forged.entry(plain, pemOf(publisher.publicKey), now) };
    expect(await reasonOf(decide(requirement, { classic: [lie] }))).toContain("SIGNATURE_REFUSED");
    const other = { ...seen, logEntry: log.entry(classicByKey(stranger.privateKey), pemOf(stranger.publicKey), now) };
    expect(await reasonOf(decide(requirement, { classic: [other] }))).toContain("SIGNATURE_REFUSED");
  });
});

describe("judge() without a key of the signer's", () => {
  const issuer = "https://accounts.example.org";
  const mail = "publisher@example.org";
  const authority = new TestAuthority(folder);
  const log = new TestLog();
  const caPath = folder.write("root.pem", authority.certificate);
  const requirement = {
    type: "sigstoreSigned",
    fulcio: { caPath, oidcIssuer: issuer, subjectEmail: mail },
    rekorPublicKeyPath: folder.write("rekor.pub", pemOf(log.keys.publicKey)),
    signedIdentity: { type: "matchRepository" },
  };
  const now = Math.floor(Date.now() / 1000) + 60;

  function signedBy(name: string, by: string, from = authority, seconds = now, seenBy = log) {
    const keys = makeKeys();
    const certificate = from.issue(name, by, keys.publicKey);
    const signature = { ...classicByKey(keys.privateKey), certificate };
    return { ...signature, logEntry: seenBy.entry(signature, certificate, seconds) };
  }

  test("accepts the identity that the authority vouched for while the log saw it", async () => {
    expect(await decide(requirement, { classic: [signedBy(mail, issuer)] })).toEqual([`${mail} by ${issuer}`]);
  });

  test("refuses another signer, issuer, authority, log, or a time outside of the certificate", async () => {
    using elsewhere = new Folder();
    const day = 86_400;
    const cases = [
      signedBy("publisher@example.organic", issuer),
      signedBy("xpublisher@example.org", issuer),
      signedBy(mail, "https://accounts.example.com"),
      signedBy(mail, issuer, new TestAuthority(elsewhere)),
      signedBy(mail, issuer, authority, now, new TestLog()),
      signedBy(mail, issuer, authority, now + 3 * day),
      signedBy(mail, issuer, authority, now - 3 * day),
      { ...signedBy(mail, issuer), logEntry: undefined },
      { ...signedBy(mail, issuer), certificate: undefined },
    ];
    for (const classic of cases) {
      expect(await reasonOf(decide(requirement, { classic: [classic] }))).toContain("SIGNATURE_REFUSED");
    }
    expect(await reasonOf(decide(requirement, { classic: [classicByKey(publisher.privateKey)] }))).toContain("REFUSED");
  });
});

test("judge() lets nothing in where the policy rejects, and everything where it says so", async () => {
  expect(await reasonOf(decide({ type: "reject" }, {}))).toContain("POLICY_REFUSED");
  expect(await decide({ type: "insecureAcceptAnything" }, {})).toEqual([]);
});

test("judge() asks for all requirements", async () => {
  const readKey = (path: string) => readFileSync(path);
  const found = { ...nothing, classic: [classicByKey(publisher.privateKey)] };
  const both = rule(byKey, { type: "reject" });
  expect(await reasonOf(judge(both, { image, found, readKey }))).toContain("POLICY_REFUSED");
});
