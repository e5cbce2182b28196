// SPDX-License-Identifier: Apache-2.0
import type { Ref } from "../metadata/ref.ts";

/** How the files of a deployment are shown: a composefs mount, or a tree of hard links to the objects. */
export type ShownAs = "composefs" | "checkout";

/** One installed version of a ref. */
export interface Deployment {
  readonly ref: Ref;
  /** Manifest digest, 64 hex digits: what Flatpak calls the commit of an image. */
  readonly commit: string;
  /** `INSTALLATION/{app,runtime}/ID/ARCH/BRANCH/COMMIT`. */
  readonly path: string;
  /** Name of the remote it came from. */
  readonly origin: string;
  /** Where the image lies at its origin, for updates: `docker://HOST/REPO` or `oci:DIR`; without tag and digest. */
  readonly source: string;
  /** Text of the metadata keyfile. */
  readonly metadata: string;
  readonly shownAs: ShownAs;
  /** fs-verity digest of the composefs image, hex. */
  readonly imageDigest: string;
  /** Bytes of all files. */
  readonly installedSize: number;
  readonly downloadSize: number;
  /** Seconds since the epoch. */
  readonly deployedAt: number;
  /** Ids that the app had before, oldest first; its data move from there at the first start. */
  readonly previousIds?: readonly string[] | undefined;
  /** The folders that are deployed, where that is not all of the image: `/de`. */
  readonly subpaths?: readonly string[] | undefined;
  /** `org.flatpak.*` and other labels of the image's config. */
  readonly labels: ReadonlyMap<string, string>;
}
