// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { isDowelError } from "../../base/errors.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { extensionPriority } from "../../metadata/extensions.ts";
import { formatRef, isValidId, type Ref } from "../../metadata/ref.ts";
import type { Host } from "../../sandbox/probe/host.ts";
import type { ExtensionImage, InstalledExtensions } from "../../sandbox/spec/extensions.ts";
import { resolveHostPath } from "../../sandbox/spec/resolve.ts";
import { activeDeployment, refFolder } from "../../store/deployments.ts";
import type { InstallationPlace } from "../../store/places.ts";
import { lowerOf } from "../../store/shown.ts";
import type { Deployment } from "../../store/types.ts";

/** What an unmaintained extension counts, so that a folder that somebody put there goes before what was installed. */
const unmaintainedPriority = 1000;

/** Extensions with damaged metadata still run; they have no say in the order. */
function priorityOf(deployment: Deployment): number {
  try {
    return extensionPriority(parseKeyfile(deployment.metadata, formatRef(deployment.ref)));
  } catch (error) {
    if (isDowelError(error)) return 0;
    throw error;
  }
}

/**
 * The extensions of several installations, asked of them as they are now, through a host that notes what was looked at.
 * Unmaintained ones are folders `extension/ID/ARCH/BRANCH` in an installation.
 */
export class ExtensionsOnHost implements InstalledExtensions {
  readonly #host: Host;
  readonly #places: readonly InstallationPlace[];
  readonly #deployments = new Map<ExtensionImage, Deployment>();
  readonly #ids = new Map<string, ReadonlySet<string>>();

  constructor(host: Host, places: readonly InstallationPlace[]) {
    this.#host = host;
    this.#places = places;
  }

  /** The deployment of an extension that was found; undefined for an unmaintained one. */
  deploymentOf(image: ExtensionImage): Deployment | undefined {
    return this.#deployments.get(image);
  }

  find(ref: Ref): ExtensionImage | undefined {
    for (const place of this.#places) {
      const files = this.#lookBelow(place, `extension/${ref.id}/${ref.arch}/${ref.branch}`);
      if (files !== undefined) return { ref, commit: undefined, files, priority: unmaintainedPriority };
    }
    for (const place of this.#places) {
      if (!this.#idsOf(place).has(ref.id)) continue;
      if (this.#host.lookAt(join(refFolder(place, ref), "active")) === undefined) continue;
      const deployment = activeDeployment(place, ref);
      if (deployment === undefined) continue;
      const files = join(lowerOf(deployment), "usr");
      const image = { ref, commit: deployment.commit, files, priority: priorityOf(deployment) };
      this.#deployments.set(image, deployment);
      return image;
    }
    return undefined;
  }

  findAll(prefix: string, arch: string, branch: string): readonly ExtensionImage[] {
    const ids = new Set<string>();
    for (const place of this.#places) {
      for (const folder of ["runtime", "extension"]) {
        for (const id of this.#host.list(join(place.path, folder))) {
          if (id.startsWith(prefix) && isValidId(id)) ids.add(id);
        }
      }
    }
    return [...ids].sort().flatMap((id) => this.find({ kind: "runtime", id, arch, branch }) ?? []);
  }

  /** The ids that an installation has: one look at a folder tells of all that are missing. */
  #idsOf(place: InstallationPlace): ReadonlySet<string> {
    const known = this.#ids.get(place.path) ?? new Set(this.#host.list(join(place.path, "runtime")));
    this.#ids.set(place.path, known);
    return known;
  }

  /** A folder of an installation without links, where it is there; most installations have no folder for it at all. */
  #lookBelow(place: InstallationPlace, path: string): string | undefined {
    const [top = ""] = path.split("/");
    if (this.#host.lookAt(join(place.path, top)) === undefined) return undefined;
    const found = resolveHostPath(this.#host, join(place.path, path));
    return found?.type === "directory" ? found.path : undefined;
  }
}
