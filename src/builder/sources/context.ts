// SPDX-License-Identifier: Apache-2.0
import type { Report } from "../../base/events.ts";
import type { StateFolder } from "../state.ts";

/** What the sources of a module need from the build. */
export interface SourceContext {
  readonly state: StateFolder;
  /** Absolute paths that a `dir` source leaves out: the state folder and the output. */
  readonly excluded: readonly string[];
  readonly report: Report;
  readonly signal: AbortSignal | undefined;
}

/** Runs words in the build sandbox of the module, in its build folder or a folder below. */
export type SandboxRun = (words: readonly string[], folder: readonly string[]) => Promise<void>;
