// SPDX-License-Identifier: Apache-2.0
import type { DowelError } from "../base/errors.ts";
import type { PartialRef, Ref, RefKind } from "../metadata/ref.ts";
import type { RemoteSettings } from "../remotes/settings.ts";
import type { RemoteRef } from "../remotes/types.ts";
import type { Deployment } from "../store/types.ts";

/** A deployment together with the name of the installation that has it (`user`, `system` or another). */
export interface Installed {
  readonly installation: string;
  readonly deployment: Deployment;
}

/** A remote that an install makes. Without settings it is an origin, in which nothing else is looked for. */
export interface NewRemote {
  readonly name: string;
  readonly url: string;
  readonly settings?: RemoteSettings;
}

interface FetchOperation {
  readonly ref: Ref;
  readonly image: RemoteRef;
  /** Name of the remote that the deployment notes. */
  readonly origin: string;
  readonly newRemote: NewRemote | undefined;
  /** Full refs of other operations of the plan that must have been done before. */
  readonly needs: readonly string[];
}

export interface InstallOperation extends FetchOperation {
  readonly operation: "install";
  readonly reinstall: boolean;
}

export interface UpdateOperation extends FetchOperation {
  readonly operation: "update";
  readonly from: Deployment;
}

export interface UninstallOperation {
  readonly operation: "uninstall";
  readonly ref: Ref;
  readonly deployment: Deployment;
  readonly deleteData: boolean;
}

export type Operation = InstallOperation | UpdateOperation | UninstallOperation;

/** A wish that needs no work, and why. */
export interface SkippedOperation {
  readonly operation: Operation["operation"];
  readonly ref: Ref;
  readonly reason: string;
}

/** A wish that cannot be fulfilled, known before anything is done. */
export interface FailedOperation {
  readonly operation: Operation["operation"];
  readonly ref: Ref;
  readonly error: DowelError;
}

/** What a transaction will do to one installation, in order. Sizes are bytes, 0 for what no image said. */
export interface Plan {
  readonly operations: readonly Operation[];
  readonly skipped: readonly SkippedOperation[];
  readonly failed: readonly FailedOperation[];
  readonly downloadSize: number;
  /** What the disk needs in addition, at most: content that is there already is not counted out. */
  readonly installedSize: number;
}

/** Which refs a command means where the user leaves parts out. */
export interface RefSelection {
  readonly arch?: string | undefined;
  readonly kind?: RefKind | undefined;
}

export function narrowRef(partial: PartialRef, selection: RefSelection): PartialRef {
  return {
    ...partial,
    kind: partial.kind ?? selection.kind,
    arch: partial.arch ?? selection.arch,
  };
}
