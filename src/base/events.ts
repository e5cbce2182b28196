// SPDX-License-Identifier: Apache-2.0

/**
 * What engine, builder and registry report while they work. `render/` shows events, `--json` prints them one a
 * line, services forward them. Sizes are bytes.
 */
export type DowelEvent =
  | { readonly type: "transaction.plan"; readonly operations: readonly PlannedOperation[] }
  | { readonly type: "operation.start"; readonly operation: string; readonly ref: string }
  | { readonly type: "operation.done"; readonly operation: string; readonly ref: string; readonly commit?: string }
  | {
      readonly type: "operation.skip";
      readonly operation: string;
      readonly ref: string;
      readonly reason: string;
      /** What an update would let an app do that it may not do now, where that is the reason; as options. */
      readonly newPermissions?: readonly string[];
    }
  | { readonly type: "fetch.start"; readonly name: string; readonly size: number }
  | { readonly type: "fetch.progress"; readonly name: string; readonly done: number; readonly size: number }
  | { readonly type: "fetch.done"; readonly name: string; readonly size: number; readonly reused: boolean }
  | {
      readonly type: "push.blob";
      readonly digest: string;
      readonly size: number;
      readonly how: "sent" | "present" | "mounted";
    }
  | { readonly type: "push.done"; readonly reference: string; readonly digest: string }
  | { readonly type: "deploy.start"; readonly ref: string }
  | { readonly type: "deploy.done"; readonly ref: string; readonly files: number; readonly newObjects: number }
  | { readonly type: "build.stage"; readonly stage: string; readonly cached: boolean }
  | { readonly type: "build.command"; readonly stage: string; readonly command: string }
  | { readonly type: "build.output"; readonly stage: string; readonly text: string }
  | { readonly type: "build.done"; readonly ref: string; readonly digest: string; readonly layout: string }
  | { readonly type: "repair.finding"; readonly finding: RepairFinding }
  | { readonly type: "registry.listening"; readonly address: string }
  | { readonly type: "registry.request"; readonly method: string; readonly path: string; readonly status: number }
  | { readonly type: "note"; readonly text: string }
  | { readonly type: "warning"; readonly text: string };

export interface PlannedOperation {
  readonly operation: "install" | "update" | "uninstall";
  readonly ref: string;
  readonly origin: string;
  readonly downloadSize?: number;
  readonly installedSize?: number;
  /** What an update lets an app do that it may not do now, as options; left out where there is nothing. */
  readonly newPermissions?: readonly string[];
  /** What a new app may do, as options. */
  readonly permissions?: readonly string[];
}

/** One thing in an installation that is not as it should be; `kind` and `what` are words of `store/repair/findings.ts`. */
export interface RepairFinding {
  readonly kind: string;
  readonly what: string;
  readonly path: string;
  /** What exactly, or why it could not be mended. */
  readonly detail: string;
  readonly mended: boolean;
}

export type Report = (event: DowelEvent) => void;

/** Takes events and drops them. */
export const silent: Report = () => undefined;
