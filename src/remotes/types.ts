// SPDX-License-Identifier: Apache-2.0
import type { Appdata } from "../metadata/appdata.ts";
import type { Ref } from "../metadata/ref.ts";
import type { BearerToken } from "../oci/client/token.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Descriptor as OpenFolder } from "../sys/beneath.ts";

/** A configured place that images come from. */
export interface Remote {
  readonly name: string;
  /** As `parseLocation` reads it. */
  readonly url: string;
  readonly title?: string;
  readonly comment?: string;
  readonly description?: string;
  readonly homepage?: string;
  readonly icon?: string;
  readonly defaultBranch?: string;
  readonly collectionId?: string;
  /** Only refs that are in this subset (`xa.subsets` of their commit metadata) are offered. */
  readonly subset?: string;
  /** Where GPG signatures of images lie: `URL/REPOSITORY@sha256=HEX/signature-N`. */
  readonly signatureLookaside?: string;
  readonly authenticatorName?: string;
  readonly authenticatorInstall?: boolean;
  /** Options of the authenticator by name; absent where there are none. */
  readonly authenticatorOptions?: ReadonlyMap<string, string>;
  /** Path of a filter file. */
  readonly filter?: string;
  /** Higher is asked first. */
  readonly priority: number;
  readonly disabled: boolean;
  /** Not shown in listings and not searched for refs that name no remote. */
  readonly noEnumerate: boolean;
  /** Not searched for the runtimes that apps of other remotes need. */
  readonly noDeps: boolean;
  readonly gpgVerify: boolean;
}

/** Where the blobs of an image lie. */
export type ImagePlace =
  | {
      readonly kind: "registry";
      /** `http(s)://HOST[:PORT]/`, what `v2/` is put after. */
      readonly baseUrl: string;
      readonly repository: string;
      /** What the remote's authenticator gave for the image. */
      readonly token?: BearerToken | undefined;
    }
  | { readonly kind: "layout"; readonly path: string }
  | { readonly kind: "archive"; readonly path: string }
  /** A layout in an open folder, which is its owner's to close; `name` is for people. */
  | { readonly kind: "held"; readonly folder: OpenFolder; readonly name: string };

/** An image that a remote offers. Sizes are bytes; 0 where the image does not say. */
export interface RemoteRef {
  /** Name of the remote. */
  readonly remote: string;
  readonly ref: Ref;
  /** Manifest digest, 64 hex digits. */
  readonly commit: string;
  readonly place: ImagePlace;
  /** Tags in its repository, or names in its layout. */
  readonly tags: readonly string[];
  readonly labels: ReadonlyMap<string, string>;
  /** Text of the metadata keyfile. */
  readonly metadata: string;
  /** The runtime that an app needs. */
  readonly runtime: Ref | undefined;
  readonly downloadSize: number;
  readonly installedSize: number;
  readonly about?: Appdata | undefined;
  readonly appstream?: ReadonlyMap<string, Descriptor> | undefined;
}

/** An image as a catalogue names it, its labels not looked into yet. */
export interface ListedImage {
  /** Repository in the registry; `""` in a layout. */
  readonly repository: string;
  /** Manifest digest, 64 hex digits. */
  readonly commit: string;
  readonly tags: readonly string[];
  readonly labels: ReadonlyMap<string, string>;
  /** What a catalogue says of its AppStream data; absent where they are only in the labels. */
  readonly about?: Appdata | undefined;
  /** Where a catalogue keeps its AppStream data and icons: `appdata`, `icon-64`, `icon-128`. */
  readonly appstream?: ReadonlyMap<string, Descriptor> | undefined;
}
