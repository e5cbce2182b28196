// SPDX-License-Identifier: Apache-2.0
import type { DowelError } from "../base/errors.ts";
import type { PartialRef, Ref, RefKind } from "../metadata/ref.ts";
import type { RemoteSettings } from "../remotes/settings.ts";
import type { RemoteRef } from "../remotes/types.ts";
import type { Deployment } from "../store/types.ts";
import type { Request, TransactionOptions } from "./resolve/facts.ts";

/** A deployment together with the path of the installation that has it. */
export interface Installed {
  readonly installation: string;
  readonly deployment: Deployment;
}

/** A remote that an install makes. Without settings it is an origin, in which nothing else is looked for. */
export interface NewRemote {
  readonly name: string;
  readonly url: string;
  readonly settings?: RemoteSettings;
  /** The keyring that its images must be signed with. */
  readonly gpgKey?: Uint8Array | undefined;
}

interface FetchOperation {
  readonly ref: Ref;
  readonly image: RemoteRef;
  /** Name of the remote that the deployment notes. */
  readonly origin: string;
  readonly newRemote: NewRemote | undefined;
  /** Full refs of other operations of the plan that must have been done before. */
  readonly needs: readonly string[];
  /** The runtime of the same installation on which it will run; where that has gone meanwhile, nothing is deployed. */
  readonly reliesOn: Ref | undefined;
  /** Ids that the app had before, oldest first. */
  readonly previousIds: readonly string[];
  /** Nobody asked for it by name: a failure of it is a warning. */
  readonly optional: boolean;
  /** The folders of the image to deploy; all where empty. */
  readonly subpaths: readonly string[];
}

export interface InstallOperation extends FetchOperation {
  readonly operation: "install";
  readonly reinstall: boolean;
  /** A runtime that was asked for by name is pinned, so that it is not removed as unused. */
  readonly pin: boolean;
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
  /** It goes even where an app has come to run on it. */
  readonly forced: boolean;
  readonly needs: readonly string[];
}

export type Operation = InstallOperation | UpdateOperation | UninstallOperation;

/** An image that an install is about, and the remote that it will be noted under. */
export interface Candidate {
  readonly image: RemoteRef;
  readonly origin: string;
  readonly newRemote: NewRemote | undefined;
}

/** A wish that needs no work, and why. */
export interface SkippedOperation {
  readonly operation: Operation["operation"];
  readonly ref: Ref;
  readonly reason: string;
  /** What the update would let the app do besides, where that is the reason. */
  readonly newPermissions?: readonly string[];
}

/** A wish that cannot be fulfilled, known before anything is done. */
export interface FailedOperation {
  readonly operation: Operation["operation"];
  readonly ref: Ref;
  readonly error: DowelError;
}

export interface PlanNote {
  readonly type: "note" | "warning";
  readonly text: string;
}

/** What a plan was made of besides facts, so that another process can make the same plan. */
export interface PlanBasis {
  readonly requests: readonly Request[];
  readonly options: TransactionOptions;
  /** The location of a direct install, and the remote that it is noted under. */
  readonly direct: { readonly location: string; readonly origin: NewRemote } | undefined;
  /** Remotes that are not configured yet and that runtimes may come from. */
  readonly newRemotes: readonly NewRemote[];
}

/** What a transaction will do to one installation, in order. Sizes are bytes, 0 for what no image said. */
export interface Plan {
  readonly operations: readonly Operation[];
  readonly skipped: readonly SkippedOperation[];
  readonly failed: readonly FailedOperation[];
  /** What the user should know before it is done. */
  readonly notes: readonly PlanNote[];
  /** Apps that are no longer maintained under their name and will be replaced, old ref to new. */
  readonly rebases: ReadonlyMap<string, string>;
  readonly downloadSize: number;
  /** What the disk needs in addition, at most: content that is there already is not counted out. */
  readonly installedSize: number;
  readonly basis: PlanBasis;
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
