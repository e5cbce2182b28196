// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import type { Ref } from "../metadata/ref.ts";
import { Registry } from "../oci/client/registry.ts";
import { isRepositoryName, parseImageReference } from "../oci/reference.ts";
import { parseLocation } from "../remotes/location.ts";
import { repositoryFor, tagsFor } from "../remotes/naming.ts";

/** Where a push puts an image. */
export interface PushTarget {
  readonly registry: Registry;
  readonly repository: string;
  /** What the repository is below; `""` is the registry's root. */
  readonly namespace: string;
  /** The first is the one to name; all stand for the same image afterwards. */
  readonly tags: readonly string[];
}

function namespaceTarget(text: string, ref: Ref): PushTarget {
  const location = parseLocation(text);
  if (location.kind !== "registry") throw notATarget(text);
  if (location.namespace !== "" && !isRepositoryName(location.namespace)) {
    throw new DowelError("IMAGE_REFERENCE_INVALID", `"${text}": "${location.namespace}" cannot hold repositories`, {
      hint: "A namespace has lower-case letters, digits and single . _ - between them.",
    });
  }
  const tags = location.tag === undefined ? tagsFor(ref) : [location.tag];
  const registry = new Registry(`${location.secure ? "https" : "http"}://${location.host}/`);
  const { namespace } = location;
  return { registry, repository: repositoryFor(namespace, ref), namespace, tags };
}

function notATarget(text: string): DowelError {
  return new DowelError("IMAGE_REFERENCE_INVALID", `"${text}" is no place to push to`, {
    hint: "Use oci+http(s)://HOST/NAMESPACE, or docker://HOST/REPOSITORY:TAG.",
  });
}

/**
 * Reads the destination of a push: `oci+http(s)://HOST/NAMESPACE`, where the repository is named after the id and the
 * tags after the branch, or `docker://HOST/REPOSITORY[:TAG]` for one repository and tag of the user's choice.
 */
export function pushTarget(text: string, ref: Ref): PushTarget {
  if (/^oci\+https?:/.test(text)) return namespaceTarget(text, ref);
  if (!text.startsWith("docker://")) throw notATarget(text);
  const reference = parseImageReference(text);
  if (reference.transport !== "docker" || reference.digest !== undefined) throw notATarget(text);
  const { host, repository, tag } = reference;
  const namespace = repository.slice(0, Math.max(0, repository.lastIndexOf("/")));
  return { registry: Registry.forHost(host), repository, namespace, tags: [tag ?? "latest"] };
}
