// SPDX-License-Identifier: Apache-2.0
import { Registry } from "./client/registry.ts";
import type { TransportOptions } from "./client/transport.ts";
import { openLayout, openLayoutArchive } from "./layout.ts";
import type { ImageReference } from "./reference.ts";
import type { ImageSource } from "./source.ts";

export interface OpenedSource {
  readonly source: ImageSource;
  /** What to ask the source's `resolve` for. */
  readonly reference: string | undefined;
}

/** Opens what an image reference names, for reading. Dispose of the source when done. */
export async function openImageSource(
  reference: ImageReference,
  options: TransportOptions = {},
  signal?: AbortSignal,
): Promise<OpenedSource> {
  switch (reference.transport) {
    case "oci":
      return { source: await openLayout(reference.path, signal), reference: reference.name };
    case "oci-archive":
      return { source: await openLayoutArchive(reference.path, signal), reference: reference.name };
    case "docker":
      return {
        source: Registry.forHost(reference.host, options).repository(reference.repository),
        reference: reference.digest ?? reference.tag,
      };
  }
}
