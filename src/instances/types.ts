// SPDX-License-Identifier: Apache-2.0

/** A sandbox that runs, as its folder says. */
export interface Instance {
  /** Its number, and the name of its folder. */
  readonly instance: string;
  readonly folder: string;
  /** The process outside that waits for it, and the first one inside, as the host numbers them. */
  readonly pid: number;
  readonly childPid: number;
  /** Id of the app, or of the runtime that a command runs in. */
  readonly application: string;
  readonly arch: string;
  readonly branch: string;
  readonly commit: string;
  readonly runtime: string;
  readonly runtimeBranch: string;
  readonly runtimeCommit: string;
  /** Further set of the app's data; empty for the first. */
  readonly profile: string;
  /** When it was started, in milliseconds since the epoch. */
  readonly started: number;
  /** Path of its control group; undefined where it has none of its own. */
  readonly cgroup: string | undefined;
  /** Text of its `/.flatpak-info`. */
  readonly info: string;
}

/** What a sandbox uses. */
export interface Usage {
  /** Microseconds on processors so far. */
  readonly cpuTime: number | undefined;
  /** Bytes of memory. */
  readonly memory: number | undefined;
  readonly tasks: number | undefined;
  /** What its control group is bounded by: file and value. */
  readonly limits: Readonly<Record<string, string>>;
}
