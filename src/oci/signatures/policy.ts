// SPDX-License-Identifier: Apache-2.0
import type { Value } from "../../formats/document/value.ts";
import { parseName, type SignedIdentity } from "./identity.ts";
import { exactFields, parseStrictJson } from "./strict.ts";

/** A key, or several in one file, by path or written into the policy. */
export type KeySource =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "data"; readonly data: Uint8Array };

/** Signers without a key of their own: a certificate for an identity, and a transparency log that saw the signature. */
export interface KeylessSigner {
  readonly authority: KeySource;
  readonly issuer: string;
  readonly subject: string;
  readonly log: readonly KeySource[];
}

export interface SignedBy {
  readonly type: "signedBy";
  readonly keys: readonly KeySource[];
  readonly identity: SignedIdentity;
}

export interface SigstoreSigned {
  readonly type: "sigstoreSigned";
  readonly signer: { readonly keys: readonly KeySource[] } | { readonly keyless: KeylessSigner };
  /** Logs of which one must have seen a signature made by a key; none is asked where empty. */
  readonly log: readonly KeySource[];
  readonly identity: SignedIdentity;
}

/** One condition on an image; containers-policy.json(5). */
export type Requirement =
  | { readonly type: "insecureAcceptAnything" }
  | { readonly type: "reject" }
  | SignedBy
  | SigstoreSigned;

/** A policy: requirements by transport and scope, all of which must hold. */
export interface Policy {
  readonly default: readonly Requirement[];
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, readonly Requirement[]>>;
}

const defaultIdentity: SignedIdentity = { type: "matchRepoDigestOrExact" };

function decodeIdentity(value: Value | undefined): SignedIdentity {
  if (value === undefined) return defaultIdentity;
  const type = value.fields().required("type");
  const plain = ["matchExact", "matchRepoDigestOrExact", "matchRepository"] as const;
  const kind = type.oneOf([...plain, "exactReference", "exactRepository", "remapIdentity"]);
  if (kind === "exactReference") {
    const reference = exactFields(value, ["type", "dockerReference"]).dockerReference;
    if (parseName(reference.text()) === undefined) reference.fail("a name, HOST/REPOSITORY:TAG");
    return { type: kind, reference: reference.text() };
  }
  if (kind === "exactRepository") {
    const repository = exactFields(value, ["type", "dockerRepository"]).dockerRepository;
    if (parseName(repository.text())?.repository !== repository.text()) repository.fail("a name, HOST/REPOSITORY");
    return { type: kind, repository: repository.text() };
  }
  if (kind === "remapIdentity") {
    const { prefix, signedPrefix } = exactFields(value, ["type", "prefix", "signedPrefix"]);
    return { type: kind, prefix: prefix.text(), signedPrefix: signedPrefix.text() };
  }
  exactFields(value, ["type"]);
  return { type: kind };
}

function data(value: Value): KeySource {
  const text = value.text();
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === 0 || bytes.toString("base64") !== text) value.fail("base64");
  return { kind: "data", data: bytes };
}

function path(value: Value): KeySource {
  if (!value.text().startsWith("/")) value.fail("an absolute path");
  return { kind: "path", path: value.text() };
}

type Sources = { readonly [form in "path" | "paths" | "data" | "datas"]?: Value | undefined };

/** Reads the one form in which the key or keys are given. */
function keySources(owner: Value, forms: Sources, name: string): readonly KeySource[] {
  const given = [
    ...(forms.path === undefined ? [] : [[path(forms.path)]]),
    ...(forms.paths === undefined ? [] : [forms.paths.list().map(path)]),
    ...(forms.data === undefined ? [] : [[data(forms.data)]]),
    ...(forms.datas === undefined ? [] : [forms.datas.list().map(data)]),
  ];
  const [only, second] = given;
  if (only === undefined || second !== undefined || only.length === 0) return owner.fail(`${name} in exactly one form`);
  return only;
}

function decodeSignedBy(value: Value): Requirement {
  const fields = exactFields(value, ["type", "keyType"], ["keyPath", "keyPaths", "keyData", "signedIdentity"]);
  fields.keyType.oneOf(["GPGKeys"]);
  const forms = { path: fields.keyPath, paths: fields.keyPaths, data: fields.keyData };
  return {
    type: "signedBy",
    keys: keySources(value, forms, "keyPath"),
    identity: decodeIdentity(fields.signedIdentity),
  };
}

const logForms = ["rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas"] as const;
const keyForms = ["keyPath", "keyPaths", "keyData", "keyDatas"] as const;

function decodeSigstore(value: Value): Requirement {
  const fields = exactFields(value, ["type"], [...keyForms, ...logForms, "fulcio", "signedIdentity"]);
  const identity = decodeIdentity(fields.signedIdentity);
  const hasLog = logForms.some((form) => fields[form] !== undefined);
  const logSources = {
    path: fields.rekorPublicKeyPath,
    paths: fields.rekorPublicKeyPaths,
    data: fields.rekorPublicKeyData,
    datas: fields.rekorPublicKeyDatas,
  };
  const log = hasLog ? keySources(value, logSources, "rekorPublicKeyPath") : [];
  if (fields.fulcio === undefined) {
    const forms = { path: fields.keyPath, paths: fields.keyPaths, data: fields.keyData, datas: fields.keyDatas };
    return { type: "sigstoreSigned", signer: { keys: keySources(value, forms, "keyPath or fulcio") }, log, identity };
  }
  if (keyForms.some((form) => fields[form] !== undefined)) value.fail("a key or fulcio, not both");
  if (!hasLog) value.fail("rekorPublicKeyPath beside fulcio");
  const fulcio = exactFields(fields.fulcio, ["oidcIssuer", "subjectEmail"], ["caPath", "caData"]);
  const [authority] = keySources(fields.fulcio, { path: fulcio.caPath, data: fulcio.caData }, "caPath");
  if (authority === undefined) return fields.fulcio.fail("caPath");
  const keyless = { authority, issuer: fulcio.oidcIssuer.text(), subject: fulcio.subjectEmail.text(), log };
  return { type: "sigstoreSigned", signer: { keyless }, log: [], identity };
}

function decodeRequirement(value: Value): Requirement {
  const type = value.fields().required("type");
  const kind = type.oneOf(["insecureAcceptAnything", "reject", "signedBy", "sigstoreSigned"]);
  if (kind === "signedBy") return decodeSignedBy(value);
  if (kind === "sigstoreSigned") return decodeSigstore(value);
  exactFields(value, ["type"]);
  return { type: kind };
}

function decodeRequirements(value: Value): readonly Requirement[] {
  const list = value.list();
  if (list.length === 0) value.fail("at least one requirement");
  return list.map(decodeRequirement);
}

/**
 * Reads a policy of containers-policy.json(5). Anything unknown, missing, twice or of a wrong type refuses the whole file
 * with `POLICY_INVALID`: a policy that is half understood must not let anything through.
 */
export function decodePolicy(bytes: Uint8Array, file: string): Policy {
  const root = exactFields(parseStrictJson(bytes, file, "POLICY_INVALID"), ["default"], ["transports"]);
  const transports = new Map<string, ReadonlyMap<string, readonly Requirement[]>>();
  for (const [transport, scopes] of root.transports?.fields().pairs() ?? []) {
    const entries = scopes.fields().pairs();
    transports.set(transport, new Map(entries.map(([scope, value]) => [scope, decodeRequirements(value)])));
  }
  return { default: decodeRequirements(root.default), transports };
}

/** Scopes of an image in a registry from the most specific: with tag or digest, repository, namespaces, host, `*.` of its domains. */
function scopesOf(host: string, repository: string, reference: string): readonly string[] {
  const scopes = [`${host}/${repository}${reference}`];
  for (let path = repository; path !== ""; path = path.slice(0, Math.max(path.lastIndexOf("/"), 0))) {
    scopes.push(`${host}/${path}`);
  }
  scopes.push(host);
  const name = host.replace(/:\d+$/, "");
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) scopes.push(`*${name.slice(dot)}`);
  return scopes;
}

/** What decides about an image of a registry, and the scope that said so; `default` where none did. */
export interface Ruling {
  readonly scope: string;
  readonly requirements: readonly Requirement[];
}

/** `reference`: `:TAG` or `@DIGEST`, by which the image is asked for. */
export function rulingFor(policy: Policy, host: string, repository: string, reference: string): Ruling {
  const scopes = policy.transports.get("docker");
  for (const scope of scopesOf(host, repository, reference)) {
    const requirements = scopes?.get(scope);
    if (requirements !== undefined) return { scope, requirements };
  }
  const any = scopes?.get("");
  return any === undefined
    ? { scope: "default", requirements: policy.default }
    : { scope: "docker", requirements: any };
}
