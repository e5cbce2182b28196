// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { decodePolicy, type Policy, type Requirement, type Ruling, rulingFor } from "../../oci/signatures/policy.ts";
import { encodePolicy } from "../../oci/signatures/policy-encode.ts";
import type { Installation } from "../../store/installation.ts";
import { writeFileDurably } from "../../sys/durability.ts";
import { lockFile } from "../../sys/locks.ts";
import { readPlainFile } from "../../sys/plainfile.ts";
import { parseLocation } from "../location.ts";
import { predefinedRemotes } from "../predefined.ts";

/** The installation whose images are judged. */
export type Home = Pick<Installation, "path" | "kind" | "name">;

/** What remotes' signatures must say of an image: its repository, whatever the tag. */
export const identity = { type: "matchRepository" } as const;

/** What containers' tools on this machine go by. */
const hostPolicyPath = "/etc/containers/policy.json";

function policyPath(home: Home): string {
  return join(home.path, "policy.json");
}

/** Reads a file of the policy; undefined where it is not there. */
function readSmall(path: string, bytes: number): Uint8Array | undefined {
  try {
    const content = readPlainFile(path);
    if (content.byteLength <= bytes) return content;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw fileError(error, "read", path);
  }
  throw new DowelError("LIMIT_EXCEEDED", `${path}: more than the ${bytes} bytes allowed`);
}

function readPolicy(path: string): Policy | undefined {
  const bytes = readSmall(path, limits.policyBytes);
  return bytes === undefined ? undefined : decodePolicy(bytes, path);
}

/** Whether the installation's own policy can be read, where it has one. Throws `POLICY_INVALID`, `LIMIT_EXCEEDED`, `IO`. */
export function checkPolicy(home: Home): void {
  readPolicy(policyPath(home));
}

/** A key that a policy names. Throws `KEY_INVALID` where it is missing. */
export function readKey(path: string): Uint8Array {
  const bytes = readSmall(path, limits.policyBytes);
  if (bytes !== undefined) return bytes;
  throw new DowelError("KEY_INVALID", `${path}: the policy names this key, and it is not there`);
}

/** Keeps a key in the installation, under the digest of its content. Returns its path. */
export function keepKey(home: Home, bytes: Uint8Array): string {
  const folder = join(home.path, "keys");
  const path = join(folder, `${createHash("sha256").update(bytes).digest("hex")}.pub`);
  if (existsSync(path)) return path;
  try {
    mkdirSync(folder, { recursive: true });
    writeFileDurably(path, bytes);
  } catch (error) {
    throw fileError(error, "write", path);
  }
  return path;
}

/** `HOST/NAMESPACE` of a remote's location, the scope of its images; undefined where they come from a file. */
export function scopeOf(url: string): string | undefined {
  const location = parseLocation(url);
  if (!("host" in location)) return undefined;
  const path = location.kind === "image" ? location.repository : location.namespace;
  return path === "" ? location.host : `${location.host}/${path}`;
}

/**
 * What the system's `remotes.d` says, which root wrote, by Flatpak's rules: images are signed by the keyring in the file,
 * or taken as they are where it has none. Of two files for one place one with a key counts.
 */
function predefinedPolicy(home: Home): Policy {
  const scopes = new Map<string, readonly Requirement[]>();
  for (const { url, gpgKey } of predefinedRemotes(home)) {
    const scope = scopeOf(url);
    if (scope === undefined || (gpgKey === undefined && scopes.has(scope))) continue;
    if (gpgKey === undefined) scopes.set(scope, [{ type: "insecureAcceptAnything" }]);
    else scopes.set(scope, [{ type: "signedBy", keys: [{ kind: "data", data: gpgKey }], identity }]);
  }
  return { default: [{ type: "reject" }], transports: new Map([["docker", scopes]]) };
}

/** A ruling, and whether a policy made it or only the kind of the installation. */
export interface InstallationRuling extends Ruling {
  readonly named: boolean;
}

/**
 * What decides about images of a place, most specific first: the installation's own policy, the host's
 * (`/etc/containers/policy.json`) where it names the place, and for the system's the remotes that `remotes.d` predefines.
 * Where none does, a user's installation takes images as they are, and the system's takes none.
 */
export function rulingOf(
  home: Home,
  host: string,
  repository: string,
  hostPolicy = hostPolicyPath,
): InstallationRuling {
  const own = policyPath(home);
  for (const path of [own, hostPolicy]) {
    const policy = readPolicy(path);
    if (policy === undefined) continue;
    const ruling = rulingFor(policy, host, repository, "");
    if (ruling.scope !== "default") return { ...ruling, scope: `${ruling.scope} (${path})`, named: true };
    // The system's own policy says by default what it would be without one.
    const isOwnDefault = path === own && home.kind === "system";
    if (!isOwnDefault && ruling.requirements.some(({ type }) => type === "reject")) {
      return { ...ruling, scope: `default (${path})`, named: true };
    }
  }
  const predefined = rulingFor(predefinedPolicy(home), host, repository, "");
  if (predefined.scope !== "default") return { ...predefined, scope: `${predefined.scope} (remotes.d)`, named: true };
  const type = home.kind === "user" ? "insecureAcceptAnything" : "reject";
  return { scope: `${home.kind} installations`, requirements: [{ type }], named: false };
}

/** Sets what an installation asks of images of a scope (`HOST` or `HOST/NAMESPACE`); undefined takes it away. */
export async function setRequirements(
  home: Home,
  scope: string,
  requirements: readonly Requirement[] | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const path = policyPath(home);
  try {
    mkdirSync(home.path, { recursive: true });
    using _lock = await lockFile(`${path}.lock`, { exclusive: true, signal });
    const before = readPolicy(path);
    const docker = new Map(before?.transports.get("docker") ?? []);
    if (requirements !== undefined) docker.set(scope, requirements);
    else if (!docker.delete(scope)) return;
    const otherwise = before?.default ?? [
      { type: home.kind === "user" ? "insecureAcceptAnything" : "reject" } as const,
    ];
    const transports = new Map([...(before?.transports ?? []), ["docker", docker] as const]);
    writeFileDurably(path, encodePolicy({ default: otherwise, transports }));
  } catch (error) {
    throw fileError(error, "change", path);
  }
}
