// SPDX-License-Identifier: Apache-2.0

export type HostNodeType = "directory" | "file" | "symlink" | "socket" | "device" | "fifo";

export interface HostNode {
  readonly type: HostNodeType;
  /** Where a symbolic link leads, as it is written. */
  readonly target?: string;
}

/** Who runs the sandbox. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly hostname: string;
}

/**
 * What a specification may ask about the machine. The real one (`RecordingHost`) notes each question, so that a
 * cached plan is dropped when an answer changes; tests answer from a table.
 */
export interface Host {
  readonly identity: Identity;
  variable(name: string): string | undefined;
  /** What lies at an absolute path, without following a link at its last name; undefined for nothing. */
  lookAt(path: string): HostNode | undefined;
  /** The names in a folder, sorted by bytes; empty where there is no folder. */
  list(path: string): readonly string[];
  /** A small text file, links followed; undefined where it is missing, unreadable, not UTF-8 or above 1 MiB. */
  read(path: string): string | undefined;
  /** A small file, links followed; undefined where it is missing, unreadable or above 1 MiB. */
  readBytes(path: string): Uint8Array | undefined;
  /** What identifies the medium that a folder lies on; undefined for those that nobody takes away, as that of `/`. */
  medium(path: string): string | undefined;
}
