// SPDX-License-Identifier: Apache-2.0
import type { PatternList } from "../engine/patterns.ts";
import type { TransactionOptions } from "../engine/resolve/facts.ts";
import type { NewRemote } from "../engine/types.ts";
import type { RemoteSettings } from "../remotes/settings.ts";
import type { VerifyChoice } from "../remotes/trust/choice.ts";

/** What a person asked for: full refs, and the remote to take an install from. */
export type AskedFor =
  | { readonly kind: "install"; readonly ref: string; readonly remote: string }
  | { readonly kind: "update" | "uninstall"; readonly ref: string };

/** An operation that a person agreed to. `commit` is the digest of the new image, of the present one for an uninstall. */
export interface AcceptedOperation {
  readonly operation: "install" | "update" | "uninstall";
  readonly ref: string;
  readonly commit: string;
  readonly origin: string;
}

/** Options that change what a plan comes to; answers to questions are in it, too. */
export type SentOptions = Omit<TransactionOptions, "deleteData">;

export interface TransactionChange {
  readonly kind: "transaction";
  readonly requests: readonly AskedFor[];
  readonly options: SentOptions;
  readonly accepted: readonly AcceptedOperation[];
  /** The location of a direct install, and the remote that it is noted under. */
  readonly direct: { readonly location: string; readonly origin: NewRemote } | undefined;
  /** Remotes that the transaction makes. */
  readonly newRemotes: readonly NewRemote[];
  readonly noPull: boolean;
  readonly noDeploy: boolean;
  readonly keepVersions: number | undefined;
}

/** A change of an installation that is neither install, update nor uninstall. */
export type PlainChange =
  | {
      readonly kind: "remote-add";
      readonly name: string;
      readonly settings: RemoteSettings & { readonly url: string };
      readonly ifNotExists: boolean;
      readonly verify: VerifyChoice | undefined;
      /** The keyring that came with the settings; it counts where nothing else was chosen. */
      readonly gpgKey: Uint8Array | undefined;
    }
  | {
      readonly kind: "remote-modify";
      readonly name: string;
      readonly settings: RemoteSettings;
      readonly verify: VerifyChoice | undefined;
    }
  | { readonly kind: "remote-delete"; readonly name: string; readonly force: boolean }
  | { readonly kind: "config"; readonly key: string; readonly value: string | undefined }
  | {
      readonly kind: "patterns";
      readonly list: PatternList;
      readonly patterns: readonly string[];
      readonly remove: boolean;
    }
  /** Makes another version of a ref the active one. */
  | { readonly kind: "switch"; readonly ref: string; readonly commit: string }
  | {
      readonly kind: "make-current";
      readonly id: string;
      readonly branch: string | undefined;
      readonly arch: string | undefined;
    }
  | { readonly kind: "appstream"; readonly remote: string | undefined; readonly arch: string | undefined }
  /** Mounts the composefs image of something installed, by its digest. */
  | { readonly kind: "mount"; readonly image: string }
  /** Looks for damage and mends it; each finding comes as an event. */
  | { readonly kind: "repair"; readonly dryRun: boolean; readonly reinstallAll: boolean }
  /** Notes what is preinstalled by now, by the machine's own files. */
  | { readonly kind: "preinstalled" };

export type SystemChange = TransactionChange | PlainChange;
