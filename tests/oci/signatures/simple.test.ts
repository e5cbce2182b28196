// SPDX-License-Identifier: Apache-2.0
// Simple signing with the real makers: skopeo and gpg.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../../../src/oci/digest.ts";
import type { SignedImage } from "../../../src/oci/signatures/identity.ts";
import { judge } from "../../../src/oci/signatures/judge.ts";
import { decodePolicy, rulingFor } from "../../../src/oci/signatures/policy.ts";
import { Folder, nothing } from "./support.ts";

const folder = new Folder();
const manifest = Buffer.from('{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}');
const image: SignedImage = {
  digest: digestOf(manifest),
  host: "registry.example.org",
  repository: "apps/one",
  tag: undefined,
};
const environment = { PATH: process.env["PATH"] ?? "", HOME: folder.path, GNUPGHOME: folder.path };
let keyring: string;

function run(program: string, ...words: string[]): void {
  execFileSync(program, words, { env: environment, stdio: "pipe" });
}

beforeAll(() => {
  execFileSync("chmod", ["700", folder.path]);
  for (const name of ["good", "other"]) {
    run("gpg", "--batch", "--passphrase", "", "--quick-gen-key", `${name}@example.org`, "ed25519", "sign");
  }
  keyring = join(folder.path, "good.gpg");
  run("gpg", "--batch", "--output", keyring, "--export", "good@example.org");
  folder.write("manifest.json", manifest);
});
afterAll(() => {
  execFileSync("gpgconf", ["--kill", "all"], { env: environment, stdio: "ignore" });
  folder[Symbol.dispose]();
});

/** What skopeo signs for a name, as a lookaside would hold it. */
function sign(reference: string, key = "good@example.org"): Uint8Array {
  const output = join(folder.path, "signature");
  const policy = folder.write("skopeo-policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}');
  run(
    "skopeo",
    "--policy",
    policy,
    "standalone-sign",
    join(folder.path, "manifest.json"),
    reference,
    key,
    "--output",
    output,
  );
  return readFileSync(output);
}

function decide(simple: readonly Uint8Array[]) {
  const requirement = { type: "signedBy", keyType: "GPGKeys", keyPath: keyring };
  const text = JSON.stringify({ default: [requirement] });
  const ruling = rulingFor(decodePolicy(Buffer.from(text), "policy.json"), image.host, image.repository, "");
  return judge(ruling, { image, found: { ...nothing, simple }, readKey: (path) => readFileSync(path) });
}

test("judge() takes what skopeo signed with a key of the keyring", async () => {
  const [signer] = await decide([sign("registry.example.org/apps/one:stable")]);
  expect(signer).toMatch(/^GPG key [0-9A-F]{40}$/);
});

test("judge() refuses what skopeo signed for another name, or with another key, or what was changed", async () => {
  const good = sign("registry.example.org/apps/one:stable");
  const changed = Buffer.from(good);
  const at = changed.indexOf("registry.example.org");
  changed.write("registry.example.com", at < 0 ? changed.length >> 1 : at, "latin1");
  const cases: readonly Uint8Array[] = [
    sign("registry.example.org/apps/two:stable"),
    sign("registry.example.org/apps/one:stable", "other@example.org"),
    changed,
    good.subarray(0, good.length - 9),
    Buffer.from("no message"),
    Buffer.alloc(0),
  ];
  for (const message of cases) await expect(decide([message])).rejects.toMatchObject({ code: "SIGNATURE_REFUSED" });
});
