// SPDX-License-Identifier: Apache-2.0
import type { Report } from "../base/events.ts";
import type { Ref } from "../metadata/ref.ts";
import type { InstallationPlace } from "../store/places.ts";
import type { ImageLayout } from "./image/image.ts";
import type { LayerCompression } from "./image/layer.ts";

export interface BuildRequest {
  readonly manifestPath: string;
  /** Default: `.dowel-builder` in the working directory. */
  readonly stateDir?: string;
  /** Folder of the OCI layout that the image goes to; default: `layout` in the state folder. */
  readonly layoutDir?: string;
  readonly layout?: ImageLayout;
  readonly compression?: LayerCompression;
  readonly arch?: string;
  /** Where the manifest names none. */
  readonly defaultBranch?: string;
  /** Where the Sdk is looked for, in this order. */
  readonly places: readonly InstallationPlace[];
  readonly jobs?: number;
  readonly keepBuildDirs?: boolean;
  readonly disableCache?: boolean;
  /** Bytes that the results of stages may take; those not used for longest go. */
  readonly cacheLimit?: number;
  /** Name of a module: all before it is built, and no image made. */
  readonly stopAt?: string;
  /** Hangs on each image what it was made of and how. Default: true. */
  readonly attest?: boolean;
  readonly report: Report;
  readonly signal?: AbortSignal | undefined;
}

export interface BuiltImage {
  readonly ref: Ref;
  readonly digest: string;
  readonly layoutDir: string;
  /** The name of the image in the layout: its ref. */
  readonly tag: string;
  /** Whether it is installed where the main image is: not what only developers need. */
  readonly comesAlong: boolean;
}
