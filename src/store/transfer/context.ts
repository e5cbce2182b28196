// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import type { Report } from "../../base/events.ts";
import type { LayerDelta } from "../../oci/deltas.ts";
import type { ImageSource } from "../../oci/source.ts";
import type { Installation } from "../installation.ts";
import type { ContentIndex } from "../objects/contents.ts";
import type { ObjectStaging } from "../objects/staging.ts";
import type { TocDeltas } from "./tocdelta.ts";

/** What the transfer of a layer works with. */
export interface LayerContext {
  readonly installation: Installation;
  readonly source: ImageSource;
  readonly staging: ObjectStaging;
  /** Undefined where no layer needs it, or where there is none. */
  readonly index: ContentIndex | undefined;
  /**
   * Whether the manifest vouches for the tree that all layers make, and this will be compared: then nothing more is asked
   * of a layer than that its table of contents is the one that the manifest names.
   */
  readonly vouched: boolean;
  /** The folders whose contents are wanted, of `parseSubpaths`; all where empty. */
  readonly subpaths: readonly string[];
  /** Commits of the ref that are deployed. */
  readonly earlier: readonly string[];
  /** Makes tables of contents of earlier ones. */
  readonly deltas: TocDeltas;
  /** What layers can be made of others by. */
  readonly layerDeltas: readonly LayerDelta[];
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
}

/** Staged contents become objects after so many bytes, so that an interruption costs little. */
export const commitBytes = 256 * 1024 * 1024;

/** After a larger layer there is memory to free. */
export const largeLayerBytes = 32 * 1024 * 1024;

/** Whether the bytes so far may be right, so that a later transfer can continue. */
export function mayContinue(error: unknown): boolean {
  return isDowelError(error) && /^(REGISTRY_|ABORTED|TRANSFER_INCOMPLETE|NO_SPACE|IO|NOT_PERMITTED)/.test(error.code);
}
