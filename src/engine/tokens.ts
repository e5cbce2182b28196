// SPDX-License-Identifier: Apache-2.0
import { checkCancelled, DowelError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { isWellKnownName } from "../formats/dbus/names.ts";
import { valueAs } from "../formats/dbus/types.ts";
import { readVariant } from "../formats/gvariant/read.ts";
import { formatRef } from "../metadata/ref.ts";
import type { BearerToken } from "../oci/client/token.ts";
import { listRemotes } from "../remotes/config.ts";
import { parseLocation } from "../remotes/location.ts";
import type { Person } from "../remotes/login/request.ts";
import type { Remote } from "../remotes/types.ts";
import type { Installation } from "../store/installation.ts";
import type { FetchOperation } from "./fetch.ts";
import type { Operation, Plan } from "./types.ts";

export interface TokenOptions {
  /** Undefined where nobody is to be disturbed. */
  readonly person?: Person | undefined;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What Flatpak's own authenticator does, Dowel does itself: credentials that `login` keeps. */
const builtIn = "org.flatpak.Authenticator.Oci";

/** The program on the session bus that logs in to a remote; undefined where none has to. */
function authenticatorOf({ authenticatorName: name }: Pick<Remote, "authenticatorName">): string | undefined {
  return name === builtIn ? undefined : name;
}

/** What an image says of the token that it wants: `xa.token-type` of its commit metadata, 0 where it says nothing. */
function tokenTypeOf(labels: ReadonlyMap<string, string>): number {
  const label = labels.get("org.flatpak.commit-metadata.xa.token-type");
  if (label === undefined) return 0;
  try {
    return valueAs("i", readVariant(Buffer.from(label, "base64"))) ?? 0;
  } catch (error) {
    if (isDowelError(error, "GVARIANT_INVALID")) return 0;
    throw error;
  }
}

function originOf(remote: Remote): string | undefined {
  const location = parseLocation(remote.url);
  if (location.kind !== "registry" && location.kind !== "image") return undefined;
  return new URL(`${location.secure ? "https" : "http"}://${location.host}/`).href;
}

async function ask(
  remote: Remote,
  registry: string,
  operations: readonly FetchOperation[],
  { person, signal }: TokenOptions,
): Promise<ReadonlyMap<string, BearerToken>> {
  const name = authenticatorOf(remote) ?? "";
  if (!isWellKnownName(name)) {
    throw new DowelError(
      "AUTHENTICATOR_UNREACHABLE",
      `The authenticator of the remote ${remote.name} is ${JSON.stringify(name)}, which is no name on a bus`,
    );
  }
  const [{ sessionBusAddress, withBus }, { requestTokens }] = await Promise.all([
    import("../dbus/reach.ts"),
    import("../remotes/login/request.ts"),
  ]);
  const refs = operations.map(({ ref, image }) => {
    const { commit, labels } = image;
    return { ref: formatRef(ref), commit, tokenType: tokenTypeOf(labels) };
  });
  const wish = {
    ...{ authenticator: name, options: remote.authenticatorOptions ?? new Map(), remote: remote.name },
    ...{ remoteUrl: remote.url, registry, refs, person, signal },
  };
  checkCancelled(signal);
  // Not ended by the signal from outside: the authenticator is told first that nobody waits any longer.
  return await withBus(sessionBusAddress(), async (peer, loop) => {
    // A program that has just been installed; without it the bus may know only what was there when it started.
    if (remote.authenticatorInstall === true) await peer.callBus("ReloadConfig").catch(() => undefined);
    return await requestTokens(peer, loop, wish);
  });
}

/** The remotes whose images a plan fetches and that are logged in to by a program, and what is fetched from each. */
export function remotesToLogIn(plan: Plan, installation: Installation): ReadonlyMap<Remote, readonly FetchOperation[]> {
  const fetches = plan.operations.filter((operation) => operation.operation !== "uninstall");
  const found = new Map<Remote, readonly FetchOperation[]>();
  for (const remote of fetches.length === 0 ? [] : listRemotes(installation)) {
    const own = fetches.filter(({ origin, image }) => origin === remote.name && image.place.kind === "registry");
    if (own.length > 0 && authenticatorOf(remote) !== undefined) found.set(remote, own);
  }
  return found;
}

/**
 * The plan with tokens for the images of remotes that are logged in to by a program on the session bus. A token is only
 * for the registry at the remote's own address: images that its index says to be elsewhere get none. Throws what
 * `requestTokens` throws, and `BUS_UNREACHABLE`.
 */
export async function withTokens(plan: Plan, installation: Installation, options: TokenOptions = {}): Promise<Plan> {
  const { report = silent } = options;
  const given = new Map<Operation, BearerToken>();
  for (const [remote, operations] of remotesToLogIn(plan, installation)) {
    const registry = originOf(remote);
    const own = operations.filter(
      ({ image: { place } }) => place.kind === "registry" && new URL("/", place.baseUrl).href === registry,
    );
    if (own.length < operations.length) {
      report({
        type: "warning",
        text: `${remote.name}: its tokens are not sent to the other registry that its index names`,
      });
    }
    if (registry === undefined || own.length === 0) continue;
    const tokens = await ask(remote, registry, own, options);
    for (const operation of own) {
      const token = tokens.get(formatRef(operation.ref));
      if (token !== undefined) given.set(operation, token);
    }
  }
  const operations = plan.operations.map((operation): Operation => {
    const token = given.get(operation);
    if (token === undefined || operation.operation === "uninstall") return operation;
    const { image } = operation;
    return image.place.kind === "registry"
      ? { ...operation, image: { ...image, place: { ...image.place, token } } }
      : operation;
  });
  return { ...plan, operations };
}
