// SPDX-License-Identifier: Apache-2.0
import type { ServedSocket } from "../../metadata/permissions/names.ts";

/**
 * A plan: everything the launcher does to start one sandbox, as plain operations. The launcher knows no permission.
 * Host paths are absolute. Targets are absolute paths inside the sandbox, normalised, without symbolic links.
 */
export interface Plan {
  /** Words that a warm `run` compares byte for byte before it takes this plan; empty where it must not be cached. */
  readonly key: readonly string[];
  /** What the probe looked at. The launcher runs a cached plan only if all of it still holds. */
  readonly record: readonly Observation[];
  readonly namespaces: Namespaces;
  readonly hostname: string | undefined;
  /** Lower folders of the root overlay, uppermost first: configuration layer, app, runtime. Two to 16. */
  readonly lowers: readonly string[];
  /** Folders that must stay as long as the sandbox runs: the launcher holds a shared lock on each (flock(2)). At most 4. */
  readonly held: readonly string[];
  /** Carried out in this order on the new root. */
  readonly mounts: readonly MountOperation[];
  readonly environment: EnvironmentPlan;
  /** Array of `struct sock_filter` (8 bytes each, native byte order), at most 4096; empty for no filter. */
  readonly seccomp: Uint8Array;
  /** Where the command starts; undefined: the caller's folder where the sandbox has it, else HOME, else `/`. */
  readonly cwd: string | undefined;
  /** The command and its fixed arguments; the caller's further arguments are appended. */
  readonly command: readonly string[];
  readonly dieWithParent: boolean;
  /** What the sandbox is known by while it runs; undefined: nothing tells others of it. */
  readonly instance?: InstancePlan | undefined;
  /** Buses that the session service serves in the sandbox; undefined: none. Needs an instance. */
  readonly session?: SessionPlan | undefined;
  /** The control group that the sandbox gets; undefined: it stays in the caller's. */
  readonly cgroup?: CgroupPlan | undefined;
  /** How many namespaces the app may make; undefined: none. */
  readonly nested?: NamespaceBounds | undefined;
  /** A second wall beside the mounts; undefined: none. */
  readonly landlock?: LandlockPlan | undefined;
}

/** Flatpak's contract about running instances: a folder of files for each, and the sandbox's `/.flatpak-info`. */
export interface InstancePlan {
  /** Parent of the instances' folders, `$XDG_RUNTIME_DIR/.flatpak`; made where it is missing. */
  readonly folder: string;
  /** File that holds the last instance id given out. */
  readonly counter: string;
  /** Id of the app, or of the runtime that a command runs in. */
  readonly id: string;
  /** Full ref of the same. */
  readonly ref: string;
  /** Digest of its image; empty where there is none. */
  readonly image: string;
  /** Text of `/.flatpak-info` before and after the number of the instance. */
  readonly info: readonly [before: string, after: string];
}

export interface SessionPlan {
  /** The service's socket on the host. */
  readonly socket: string;
  /** The host's socket of each bus that is served. */
  readonly buses: Readonly<Partial<Record<ServedSocket, string>>>;
  /** What the service is to know, word by word: see src/session/service/handover.ts. */
  readonly policy: readonly string[];
  /** Whether the service gets the caller's standard error for its log. */
  readonly log: boolean;
}

export interface CgroupPlan {
  /** Where cgroup2 is mounted. */
  readonly mount: string;
  /** Whether a start without a group of its own fails. With settings it always does. */
  readonly required: boolean;
  /** Files of the group and what is written to them, in this order: `memory.max`, `536870912`. */
  readonly settings: readonly (readonly [file: string, value: string])[];
}

/** Numbers of namespaces, as the limits in /proc/sys/user. */
export interface NamespaceBounds {
  readonly user: number;
  readonly pid: number;
  readonly mount: number;
  readonly ipc: number;
  readonly uts: number;
  readonly network: number;
  readonly cgroup: number;
  readonly time: number;
}

/** Rights as in linux/landlock.h. The launcher leaves out what the kernel does not know yet. */
export interface LandlockPlan {
  /** Rights on files that only the rules give. */
  readonly handled: number;
  /** Bit 0: abstract sockets made outside cannot be reached; bit 1: nor processes, with signals. */
  readonly scopes: number;
  /** Rights at and below paths in the sandbox; a path that is missing is left out. */
  readonly rules: readonly { readonly path: string; readonly access: number }[];
}

export interface Namespaces {
  /** A network namespace of its own with only loopback, brought up. The others (user, mount, pid, uts, cgroup) are always made. */
  readonly network: boolean;
  readonly ipc: boolean;
}

/** Something outside the plan that it depends on. Times are nanoseconds since the epoch. */
export type Observation =
  | { readonly kind: "absent"; readonly path: string }
  | {
      /** Not following a link at the last name. */
      readonly kind: "present";
      readonly path: string;
      /** `st_mode & S_IFMT`. */
      readonly type: number;
      readonly device: bigint;
      readonly inode: bigint;
      readonly size: bigint;
      readonly mtime: bigint;
      readonly ctime: bigint;
    }
  /** Only that the path is there, with this inode: for folders whose contents and times do not matter. */
  | {
      readonly kind: "inode";
      readonly path: string;
      readonly type: number;
      readonly device: bigint;
      readonly inode: bigint;
    }
  | { readonly kind: "variable"; readonly name: string; readonly value: string | undefined };

export type MountOperation =
  | {
      readonly kind: "bind";
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly recursive: boolean;
      /** Devices work below it; else `nodev`. `nosuid` is always set. */
      readonly devices: boolean;
      /** No component of the source may be a link: for sources that the app itself could have changed. */
      readonly noSymlinks: boolean;
      /** Left out where the source is missing. */
      readonly optional: boolean;
      /**
       * The source is a Wayland compositor's socket. Where it offers security contexts, the instance gets a socket of its
       * own with one in its place, and none where that fails. Needs `Plan.instance`. At most one.
       */
      readonly wayland?: boolean;
    }
  | {
      readonly kind: "tmpfs";
      readonly target: string;
      readonly mode: number /** Bytes; 0 for the kernel's default. */;
      readonly size: number;
    }
  | { readonly kind: "proc"; readonly target: string }
  /** A tmpfs with null, zero, full, random, urandom, tty, fd, stdin, stdout, stderr, core, ptmx, a new pts and a shm folder. */
  | { readonly kind: "dev"; readonly target: string }
  /** The three below work only inside a tmpfs that this plan mounted. */
  | { readonly kind: "directory"; readonly target: string; readonly mode: number }
  | { readonly kind: "symlink"; readonly target: string; readonly to: string }
  | { readonly kind: "file"; readonly target: string; readonly mode: number; readonly data: Uint8Array }
  /** Makes a mount that an earlier operation made read-only. */
  | { readonly kind: "seal"; readonly target: string }
  /** Shows the instance's folder at `target/INSTANCE`, and its `info` file at `target`, both read-only. */
  | { readonly kind: "instance" | "info"; readonly target: string }
  /** The socket of a bus of this plan. */
  | { readonly kind: "bus"; readonly bus: ServedSocket; readonly target: string };

export interface EnvironmentPlan {
  /** Starts from nothing instead of the caller's environment. */
  readonly clear: boolean;
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly unset: readonly string[];
}
