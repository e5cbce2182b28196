// SPDX-License-Identifier: Apache-2.0
import { parseAppdata } from "../../metadata/appdata.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import { decodeIcon } from "../icons.ts";
import type { RemoteRef } from "../types.ts";
import type { Publication } from "./publish.ts";

const prefix = "org.freedesktop.appstream.";

function describe(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}

/**
 * What a catalogue says of an image, by its labels. `repository` is below the catalogue's namespace. Icons that a label
 * gives as an address and not as its data are left out.
 */
export function publicationOf(
  image: Pick<RemoteRef, "labels" | "commit">,
  repository: string,
  tags: readonly string[],
): Publication {
  const appstream = new Map<string, Descriptor>();
  const files: Uint8Array[] = [];
  const add = (name: string, mediaType: string, bytes: Uint8Array | undefined): void => {
    if (bytes === undefined) return;
    appstream.set(name, describe(mediaType, bytes));
    files.push(bytes);
  };
  const appdata = image.labels.get(`${prefix}appdata`);
  if (appdata !== undefined) add("appdata", "application/xml", Buffer.from(appdata));
  for (const name of ["icon-64", "icon-128"]) add(name, "image/png", decodeIcon(image.labels.get(prefix + name) ?? ""));
  const entry = {
    repository,
    digest: `sha256:${image.commit}` as Digest,
    tags,
    labels: new Map([...image.labels].filter(([key]) => !key.startsWith(prefix))),
    about: parseAppdata(appdata ?? ""),
    appstream,
  };
  return { entry, files };
}
