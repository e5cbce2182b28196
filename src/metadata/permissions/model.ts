// SPDX-License-Identifier: Apache-2.0
import type { FilesystemMode } from "./filesystem.ts";
import type { Grants } from "./grant.ts";
import type { Limits } from "./limits.ts";
import type { Bus, BusPolicy, GrantList } from "./names.ts";

/** One layer of permissions: what metadata, an overrides file or a command line says. */
export interface Permissions extends Readonly<Record<GrantList, Grants>> {
  /** Keys are normalised tokens (`FilesystemToken.path`). */
  readonly filesystems: ReadonlyMap<string, FilesystemMode>;
  /** Forgets the filesystems of the layers below. */
  readonly filesystemsReset: boolean;
  /** Paths below the home, kept in the app's own folder; sorted. */
  readonly persistent: readonly string[];
  /** Undefined: the variable is taken out. */
  readonly environment: ReadonlyMap<string, string | undefined>;
  readonly busPolicies: Readonly<Record<Bus, ReadonlyMap<string, BusPolicy>>>;
  /** Subsystem, key, values; a value with `!` in front is taken away. */
  readonly policies: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
  readonly usb: UsbPermissions;
  readonly limits: Limits;
}

/** Queries for USB devices, as they are written (`vnd:1234+dev:5678`); sorted. */
export interface UsbPermissions {
  readonly enumerable: readonly string[];
  readonly hidden: readonly string[];
}

export const noPermissions: Permissions = {
  shared: new Map(),
  sockets: new Map(),
  devices: new Map(),
  features: new Map(),
  filesystems: new Map(),
  filesystemsReset: false,
  persistent: [],
  environment: new Map(),
  busPolicies: { session: new Map(), system: new Map(), a11y: new Map() },
  policies: new Map(),
  usb: { enumerable: [], hidden: [] },
  limits: new Map(),
};
