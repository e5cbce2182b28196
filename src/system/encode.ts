// SPDX-License-Identifier: Apache-2.0

import type { ExecuteOptions } from "../engine/execute.ts";
import type { NewRemote, Plan } from "../engine/types.ts";
import { formatRef } from "../metadata/ref.ts";
import { type RemoteSettings, settingNames } from "../remotes/settings.ts";
import type { VerifyChoice } from "../remotes/trust/choice.ts";
import { acceptedOf } from "./accepted.ts";
import type { SentOptions, SystemChange, TransactionChange } from "./change.ts";

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function encodeSettings(settings: RemoteSettings): object {
  const { authenticatorOptions: options, priority } = settings;
  const named = [...settingNames.texts, ...settingNames.flags].map((name) => [name, settings[name]] as const);
  const given = options === undefined ? {} : { authenticatorOptions: Object.fromEntries(options) };
  return { ...Object.fromEntries(named), priority, ...given };
}

function encodeVerify({ keys, authority, log, ...rest }: VerifyChoice): object {
  const file = authority === undefined ? undefined : base64(authority);
  return { ...rest, keys: keys.map(base64), authority: file, log: log.map(base64) };
}

function encodeKey(key: Uint8Array | undefined): string | undefined {
  return key === undefined ? undefined : base64(key);
}

function encodeRemote({ name, url, settings, gpgKey }: NewRemote): object {
  const given = settings === undefined ? undefined : encodeSettings(settings);
  return { name, url, settings: given, gpgKey: encodeKey(gpgKey) };
}

/** By name: what plans are made with holds more than these. */
function encodeOptions(options: SentOptions): object {
  const { noDeps, noRelated, orUpdate, reinstall, noAutoPin, includeSdk, includeDebug } = options;
  const { forceRemove, removesAll, holdGrowth, subpaths, declined = [] } = options;
  return {
    ...{ noDeps, noRelated, orUpdate, reinstall, noAutoPin, includeSdk, includeDebug },
    ...{ forceRemove, removesAll, holdGrowth, subpaths, declined: [...declined] },
  };
}

function encodeTransaction(change: TransactionChange): object {
  const { direct, newRemotes, options } = change;
  return {
    ...change,
    options: encodeOptions(options),
    direct: direct === undefined ? undefined : { location: direct.location, origin: encodeRemote(direct.origin) },
    newRemotes: newRemotes.map(encodeRemote),
  };
}

/** A change as JSON, as `decodeChange` reads it. What is undefined is left out. */
export function encodeChange(change: SystemChange): string {
  switch (change.kind) {
    case "transaction":
      return JSON.stringify(encodeTransaction(change));
    case "remote-add":
    case "remote-modify": {
      const { settings, verify } = change;
      const choice = verify === undefined ? undefined : encodeVerify(verify);
      const gpgKey = change.kind === "remote-add" ? encodeKey(change.gpgKey) : undefined;
      return JSON.stringify({ ...change, settings: encodeSettings(settings), verify: choice, gpgKey });
    }
    default:
      return JSON.stringify(change);
  }
}

/** What a person agreed to, so that another process can make the same plan and carry it out. */
export function transactionOf(
  { basis, operations }: Plan,
  { noPull = false, noDeploy = false, keepVersions }: Pick<ExecuteOptions, "noPull" | "noDeploy" | "keepVersions">,
): TransactionChange {
  const made = operations.flatMap((operation) => {
    const remote = operation.operation === "uninstall" ? undefined : operation.newRemote;
    return remote === undefined || remote.name === basis.direct?.origin.name ? [] : [remote];
  });
  return {
    kind: "transaction",
    requests: basis.requests.map((request) =>
      request.kind === "install"
        ? { kind: "install", ref: formatRef(request.candidate.image.ref), remote: request.candidate.origin }
        : { kind: request.kind, ref: formatRef(request.deployment.ref) },
    ),
    options: basis.options,
    accepted: acceptedOf(operations),
    direct: basis.direct,
    newRemotes: [...new Map(made.map((remote) => [remote.name, remote])).values()],
    ...{ noPull, noDeploy, keepVersions },
  };
}
