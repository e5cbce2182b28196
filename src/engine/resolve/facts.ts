// SPDX-License-Identifier: Apache-2.0
import type { DowelError } from "../../base/errors.ts";
import type { RefPattern } from "../../metadata/pattern.ts";
import type { Ref } from "../../metadata/ref.ts";
import type { Offer } from "../../remotes/select.ts";
import type { Remote, RemoteRef } from "../../remotes/types.ts";
import type { Deployment } from "../../store/types.ts";
import type { Candidate, Installed, NewRemote } from "../types.ts";

/** An installed ref and the refs that it needs or extends. */
export interface Dependent extends Installed {
  readonly runtime: Ref | undefined;
  readonly sdk: Ref | undefined;
  /** The ref that it extends, if it is an extension. */
  readonly extensionOf: Ref | undefined;
}

/** What a remote answered: its refs, why it could not be asked, or that its layout is gone. */
export type Answer = Offer | DowelError | { readonly gone: string };

/** A remote that must be asked before a transaction can be planned. */
export interface Ask {
  readonly remote: Remote;
  readonly arch: string;
}

/** Why most updates are passed over. */
export const upToDate = "it is up to date";

export function answerKey(remote: string, arch: string): string {
  return `${remote} ${arch}`;
}

export interface TransactionOptions {
  /** Do not look for runtimes. */
  readonly noDeps?: boolean;
  /** Leave extensions alone that were not asked for. */
  readonly noRelated?: boolean;
  /** Update what is installed already. */
  readonly orUpdate?: boolean;
  /** Install again what is installed already. */
  readonly reinstall?: boolean;
  /** The folders of what is asked for that are deployed, all where empty; undefined: as before, or by languages. */
  readonly subpaths?: readonly string[] | undefined;
  /** Do not pin runtimes that are asked for by name. */
  readonly noAutoPin?: boolean;
  readonly includeSdk?: boolean;
  readonly includeDebug?: boolean;
  /** Remove runtimes that are still in use. */
  readonly forceRemove?: boolean;
  /** Remove everything, so that what other installations use is no reason to stop. */
  readonly removesAll?: boolean;
  /** Remove what the apps kept in `~/.var/app`, too. */
  readonly deleteData?: boolean;
  /** Pass over updates that let an app do more than before. */
  readonly holdGrowth?: boolean;
  /** Full refs of apps that are to stay what they are, though a successor is named. */
  readonly declined?: ReadonlySet<string>;
}

/** What is to be done. */
export type Request =
  | { readonly kind: "install"; readonly candidate: Candidate }
  | { readonly kind: "update"; readonly deployment: Deployment }
  | { readonly kind: "uninstall"; readonly deployment: Deployment };

/** All that a plan depends on. */
export interface Facts {
  /** Path of the installation that the plan is for. */
  readonly target: string;
  /** What every installation has. */
  readonly installed: readonly Dependent[];
  /** Remotes of the target, by priority. */
  readonly remotes: readonly Remote[];
  /** Those of them that are not configured yet, by name; what comes from one makes it. */
  readonly newRemotes: ReadonlyMap<string, NewRemote>;
  /** By `answerKey`. */
  readonly answers: ReadonlyMap<string, Answer>;
  /** The location of a direct install, and the remote that it is noted under. */
  readonly direct: { readonly offer: Offer; readonly origin: NewRemote } | undefined;
  readonly masked: RefPattern;
  readonly pinned: RefPattern;
  /** Whether any of the reasons that an extension point names holds on this machine for an extension, by its id. */
  readonly holds: (reasons: readonly string[], id: string) => boolean;
  /** Codes of the languages whose translations are wanted; all where empty. */
  readonly languages: readonly string[];
  readonly options: TransactionOptions;
}

const byRef = new WeakMap<Offer, ReadonlyMap<string, RemoteRef>>();

/** One ref of an offer, by its full name. */
export function offeredRef(offer: Offer, name: string): RemoteRef | undefined {
  let known = byRef.get(offer);
  if (known === undefined) {
    known = new Map(
      offer.refs.map((found) => [`${found.ref.kind}/${found.ref.id}/${found.ref.arch}/${found.ref.branch}`, found]),
    );
    byRef.set(offer, known);
  }
  return known.get(name);
}
