// SPDX-License-Identifier: Apache-2.0
import { DowelError, isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { matchesRef, parsePartialRef, parseRef } from "../metadata/ref.ts";
import { Registry } from "../oci/client/registry.ts";
import { parseLocation } from "../remotes/location.ts";
import { catalogueRepository } from "../remotes/naming.ts";
import { withdraw } from "../remotes/shop/withdraw.ts";
import { narrowRef, type RefSelection } from "./types.ts";

export interface WithdrawOptions extends RefSelection {
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

function refOf(labels: ReadonlyMap<string, string>) {
  try {
    return parseRef(labels.get("org.flatpak.ref") ?? "");
  } catch (error) {
    // What somebody else listed may be malformed.
    if (isDowelError(error)) return undefined;
    throw error;
  }
}

/**
 * Takes a ref, whole or in part, out of the catalogue of a namespace. The images stay in the registry. Throws
 * `REF_NOT_FOUND` where the catalogue does not list it.
 */
export async function withdrawFromCatalogue(
  name: string,
  destination: string,
  options: WithdrawOptions = {},
): Promise<void> {
  const { report = silent, signal } = options;
  const wanted = narrowRef(parsePartialRef(name), options);
  const location = parseLocation(destination);
  if (location.kind !== "registry") {
    throw new DowelError("IMAGE_REFERENCE_INVALID", `"${destination}" is no namespace of a registry`, {
      hint: "Use oci+http(s)://HOST/NAMESPACE.",
    });
  }
  const registry = new Registry(`${location.secure ? "https" : "http"}://${location.host}/`);
  const repository = registry.repository(catalogueRepository(location.namespace));
  const gone = await withdraw(
    repository,
    ({ labels }) => {
      const ref = refOf(labels);
      return ref !== undefined && matchesRef(ref, wanted);
    },
    signal,
  );
  for (const { labels } of gone) {
    report({ type: "note", text: `Taken out of the catalogue ${repository.name}: ${labels.get("org.flatpak.ref")}` });
  }
}
