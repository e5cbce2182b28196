// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Digest } from "../../../src/oci/digest.ts";
import { encodeClaim } from "../../../src/oci/signatures/claim.ts";
import type { ClassicSignature, FoundSignatures } from "../../../src/oci/signatures/found.ts";
import type { SignedImage } from "../../../src/oci/signatures/identity.ts";
import { signPayload } from "../../../src/oci/signatures/keys.ts";
import { encodeStatement, statementPayloadType } from "../../../src/oci/signatures/statement.ts";

export const digest = `sha256:${"a1".repeat(32)}` as Digest;
export const otherDigest = `sha256:${"b2".repeat(32)}` as Digest;
export const image: SignedImage = { digest, host: "registry.example.org", repository: "apps/one", tag: undefined };
export const reference = "registry.example.org/apps/one";
export const nothing: FoundSignatures = { simple: [], classic: [], bundles: [] };

/** A folder for one test file; removed with `using`. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), "dowel-signatures-"));

  write(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function makeKeys() {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

export function pemOf(key: KeyObject): string {
  return String(key.export({ type: "spki", format: "pem" }));
}

/** A classic signature by a key, of any claim. */
export function classicByKey(
  privateKey: KeyObject,
  claim: { readonly digest: Digest; readonly reference: string } = { digest, reference },
): ClassicSignature {
  return classicOf(privateKey, encodeClaim(claim, "cosign container image signature"));
}

/** A classic signature by a key, of any bytes. */
export function classicOf(privateKey: KeyObject, payload: Uint8Array): ClassicSignature {
  const signature = signPayload(privateKey, payload);
  return { payload, signature, certificate: undefined, chain: undefined, logEntry: undefined };
}

/** A bundle, version 0.3, of a statement in a DSSE envelope. */
export function bundleByKey(privateKey: KeyObject, claim = { digest, reference }): Uint8Array {
  return bundleOf(privateKey, Buffer.from(encodeStatement(claim)));
}

/** A bundle of any statement. */
export function bundleOf(privateKey: KeyObject, payload: Buffer): Uint8Array {
  // The envelope's pre-authentication encoding (DSSE protocol, version 1).
  const words = [
    Buffer.from(`DSSEv1 ${statementPayloadType.length} ${statementPayloadType} ${payload.length} `),
    payload,
  ];
  const signature = sign("sha256", Buffer.concat(words), privateKey);
  const bundle = {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: { publicKey: { hint: "key" }, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString("base64"),
      payloadType: statementPayloadType,
      signatures: [{ sig: signature.toString("base64"), keyid: "" }],
    },
  };
  return Buffer.from(JSON.stringify(bundle));
}

/** A transparency log of one key: what it promises for a signature. */
export class TestLog {
  readonly keys = makeKeys();

  /** `verifier`: PEM of the key or certificate that the entry names. */
  entry(signature: ClassicSignature, verifier: string, seconds: number): string {
    const value = createHash("sha256").update(signature.payload).digest("hex");
    const body = {
      apiVersion: "0.0.1",
      kind: "hashedrekord",
      spec: {
        data: { hash: { algorithm: "sha256", value } },
        signature: {
          content: Buffer.from(signature.signature).toString("base64"),
          publicKey: { content: Buffer.from(verifier).toString("base64") },
        },
      },
    };
    const key = this.keys.publicKey.export({ type: "spki", format: "der" });
    const payload = {
      body: Buffer.from(JSON.stringify(body)).toString("base64"),
      integratedTime: seconds,
      logID: createHash("sha256").update(key).digest("hex"),
      logIndex: 7,
    };
    const promise = sign("sha256", Buffer.from(JSON.stringify(payload)), this.keys.privateKey);
    return JSON.stringify({ SignedEntryTimestamp: promise.toString("base64"), Payload: payload });
  }
}

/** A certificate authority made with openssl, and short-lived certificates for identities as Fulcio writes them. */
export class TestAuthority {
  readonly #folder: Folder;
  readonly certificate: string;

  constructor(folder: Folder) {
    this.#folder = folder;
    const key = join(folder.path, "ca.key");
    const file = join(folder.path, "ca.pem");
    const subject = ["-subj", "/CN=test root", "-days", "30", "-addext", "keyUsage=critical,keyCertSign"];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    execFileSync("openssl", ["req", "-x509", ...curve, "-nodes", "-keyout", key, "-out", file, ...subject], {
      stdio: "pipe",
    });
    this.certificate = readFileSync(file, "utf8");
  }

  issue(mail: string, issuer: string, publicKey: KeyObject): string {
    const { path } = this.#folder;
    const extensions = this.#folder.write(
      "leaf.cnf",
      [
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=codeSigning",
        `subjectAltName=critical,email:${mail}`,
        `1.3.6.1.4.1.57264.1.1=DER:${Buffer.from(issuer).toString("hex")}`,
      ].join("\n"),
    );
    const request = join(path, "leaf.csr");
    const forced = this.#folder.write("leaf.pub", pemOf(publicKey));
    const words = ["-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/"];
    execFileSync("openssl", ["req", ...words, "-keyout", join(path, "unused.key"), "-out", request], { stdio: "pipe" });
    const authority = ["-CA", join(path, "ca.pem"), "-CAkey", join(path, "ca.key"), "-set_serial", "2", "-days", "1"];
    const output = join(path, "leaf.pem");
    const sources = ["-in", request, "-force_pubkey", forced, "-extfile", extensions, "-out", output];
    execFileSync("openssl", ["x509", "-req", ...sources, ...authority], { stdio: "pipe" });
    return readFileSync(output, "utf8");
  }
}
