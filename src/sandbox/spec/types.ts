// SPDX-License-Identifier: Apache-2.0
import type { Metadata } from "../../metadata/metadata.ts";
import type { Permissions } from "../../metadata/permissions/model.ts";
import type { Bus, ServedSocket } from "../../metadata/permissions/names.ts";
import type { Ref } from "../../metadata/ref.ts";
import type { LandlockPlan, NamespaceBounds } from "../plan/types.ts";
import type { Extensions } from "./extensions.ts";

/** An app or runtime as it lies on this machine. */
export interface SandboxImage {
  readonly ref: Ref;
  readonly commit: string;
  /** Folder of the deployment. */
  readonly path: string;
  /** Folder for the root overlay: holds `app/` of an app, `usr/` of a runtime. */
  readonly lower: string;
  readonly metadata: Metadata;
}

/** A folder of the host in place of an image's files; without a path an empty one. */
export interface Replacement {
  readonly path: string | undefined;
  /** An app could have put a link into the path. */
  readonly distrusted: boolean;
}

/** A path of the host that shows at its own place, whatever the permissions say. */
export interface HostBind {
  readonly path: string;
  readonly type: "directory" | "file";
  readonly access: "ro" | "rw";
}

/** What the command line says of the buses; undefined: as usual. */
export interface BusOptions {
  readonly session: boolean | undefined;
  readonly a11y: boolean | undefined;
  /** Buses whose traffic is printed. */
  readonly log: readonly Bus[];
}

/** A sandbox that runs already and whose processes the new one sees, or shares. */
export interface ParentSandbox {
  /** Of one of its processes, as the host numbers them. */
  readonly pid: number;
  readonly pids: "own" | "exposed" | "shared";
}

/** What the command line of `run` asks for. */
export interface RunOptions {
  readonly permissions: Permissions;
  /** The options that `permissions` was made of, for sandboxes that this one asks for; without variables. */
  readonly permissionWords?: readonly string[] | undefined;
  readonly command: string | undefined;
  readonly cwd: string | undefined;
  readonly devel: boolean;
  readonly clearEnvironment: boolean;
  readonly dieWithParent: boolean;
  /** Nothing of the app's own permissions, data or shared folders: only what the options give. */
  readonly sandboxed: boolean;
  /** Whether the files that the document portal shows the app come in. */
  readonly documents: boolean;
  /** In place of the app's `/app`. */
  readonly app: Replacement | undefined;
  /** In place of the runtime's `/usr`. */
  readonly usr: Replacement | undefined;
  readonly binds: readonly HostBind[];
  readonly buses: BusOptions;
  readonly parent: ParentSandbox | undefined;
  /** A descriptor of the caller that is told the instance's id. */
  readonly instanceIdFd: number | undefined;
  /** A further set of data, instances and overrides; undefined: the app's first. */
  readonly profile: string | undefined;
  /** Whether a start without a control group of its own fails; by default it does. */
  readonly requireCgroup?: boolean | undefined;
}

/** What is installed that a sandbox is made of. */
export interface SandboxContents {
  /** Undefined to run a command in the runtime itself. */
  readonly app: SandboxImage | undefined;
  readonly runtime: SandboxImage;
  readonly extensions: Extensions;
}

export interface SpecificationInput extends SandboxContents {
  /** Ids that the app had before, which its data may still be known by. */
  readonly previousIds: readonly string[];
  /** The linker's cache that was made for all of them; undefined: a variable leads to the app's libraries. */
  readonly linkerCache: string | undefined;
  /** Overrides files merged, lowest first. */
  readonly overrides: Permissions;
  readonly options: RunOptions;
  /** Host folders that a wider permission does not show, only one that names them: installations. */
  readonly hidden: readonly string[];
  /** The folder of plans and layers, which no permission shows. */
  readonly runFolder: string;
  /** `XDG_RUNTIME_DIR` where it is the caller's own. */
  readonly session: string | undefined;
}

/** One thing in the configuration layer. */
export type LayerEntry =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "symlink"; readonly path: string; readonly to: string }
  | { readonly kind: "file"; readonly path: string; readonly text: string }
  /** Bytes that may be a secret. */
  | { readonly kind: "data"; readonly path: string; readonly base64: string }
  /** A copy of a host file whose name says what it holds. */
  | { readonly kind: "copy"; readonly path: string; readonly source: string };

/** As in plan/types.ts, but printable, and with short forms for what is usual. */
export type SpecificationMount =
  | {
      readonly kind: "bind";
      readonly source: string;
      readonly target: string;
      readonly access: "ro" | "rw";
      readonly devices?: true;
      /** The app itself could have put a link into the source's path. */
      readonly distrusted?: true;
      readonly optional?: true;
      /** A compositor's socket, for which the instance gets one with a security context where that can be had. */
      readonly wayland?: true;
      /** The source is a path in the configuration layer, not on the host. */
      readonly fromLayer?: true;
    }
  | { readonly kind: "tmpfs"; readonly target: string; readonly mode: number }
  | { readonly kind: "proc" | "dev" | "seal" | "instance" | "info"; readonly target: string }
  | { readonly kind: "bus"; readonly bus: ServedSocket; readonly target: string }
  | { readonly kind: "directory"; readonly target: string; readonly mode: number }
  | { readonly kind: "symlink"; readonly target: string; readonly to: string }
  | { readonly kind: "file"; readonly target: string; readonly text: string };

/** Which of the filter's variants the sandbox gets. */
export interface SeccompVariant {
  readonly arch: string;
  readonly devel: boolean;
  readonly multiarch: boolean;
  readonly bluetooth: boolean;
  readonly canbus: boolean;
  /** Namespaces can be made. */
  readonly userns?: boolean;
}

/** What the sandbox may do on one bus. Names may end in `.*`; rules are those of xdg-dbus-proxy(1), `NAME=RULE`. */
export interface BusSpecification {
  /** Nothing, what the lists say, or the bus itself. */
  readonly access: "none" | "filtered" | "whole";
  readonly log: boolean;
  readonly see: readonly string[];
  readonly talk: readonly string[];
  readonly own: readonly string[];
  /** Services of other apps that it may talk to when somebody has agreed. */
  readonly ask: readonly string[];
  readonly calls: readonly string[];
  readonly broadcasts: readonly string[];
}

/** Something that must be there below a folder where the app can write; a link is only a help for the app. */
export type MountPoint =
  | { readonly path: string; readonly kind: "directory" | "file" }
  | { readonly path: string; readonly kind: "symlink"; readonly to: string };

/** A sandbox as a plain value: it can be printed, compared and turned into a plan. */
export interface Specification {
  readonly identity: { readonly id: string; readonly ref: string; readonly commit: string; readonly runtime: string };
  /** Image folders below the configuration layer, uppermost first. */
  readonly lowers: readonly string[];
  /** The configuration layer, sorted by path; parents are listed. */
  readonly layer: readonly LayerEntry[];
  readonly mounts: readonly SpecificationMount[];
  /** Folders and empty files that must exist below the app's own folder before a start; paths relative to it. */
  readonly data: readonly { readonly path: string; readonly kind: "directory" | "file" }[];
  /** Mount points and links that must exist below `sharedFolder`, where the app can write; absolute paths, parents are not listed. */
  readonly points: readonly MountPoint[];
  /** Host folders that are missing and that `:create` asks for. */
  readonly create: readonly string[];
  /** The folder on the host that all running instances of the app share; undefined where there is none. */
  readonly sharedFolder: string | undefined;
  /** The app's own folder on the host, `~/.var/app/ID` or `~/.var/app/ID@PROFILE`; undefined where it has none. */
  readonly dataFolder: string | undefined;
  readonly environment: {
    readonly clear: boolean;
    readonly set: Readonly<Record<string, string>>;
    readonly unset: readonly string[];
  };
  readonly seccomp: SeccompVariant;
  /** Whether the sandbox shares the host's. */
  readonly shared: { readonly network: boolean; readonly ipc: boolean };
  readonly buses: Readonly<Record<Bus, BusSpecification>>;
  /** The session service, and the host's sockets of the buses that it serves in the sandbox; undefined: none. */
  readonly session?: SessionSpecification | undefined;
  readonly parent: ParentSandbox | undefined;
  readonly instanceIdFd: number | undefined;
  readonly cwd: string | undefined;
  readonly command: readonly string[];
  readonly dieWithParent: boolean;
  /** What the sandbox is known by while it runs; undefined: nothing tells others of it. */
  readonly instance?: InstanceSpecification | undefined;
  /** Its control group; undefined: the caller's. */
  readonly cgroup?: CgroupSpecification | undefined;
  readonly landlock?: LandlockPlan | undefined;
  /** How many namespaces the app may make; undefined: none. */
  readonly nested?: NamespaceBounds | undefined;
}

export interface InstanceSpecification {
  /** The folder of all instances. */
  readonly folder: string;
  /** File with the last number given out. */
  readonly counter: string;
  /** Text of `/.flatpak-info` before and after the instance's number. */
  readonly info: readonly [before: string, after: string];
}

export interface SessionSpecification {
  readonly socket: string;
  readonly buses: Readonly<Partial<Record<ServedSocket, string>>>;
}

export interface CgroupSpecification {
  /** Where cgroup2 is mounted; undefined: nowhere. */
  readonly mount: string | undefined;
  readonly required: boolean;
  /** Files of the group and what is written to them. */
  readonly settings: readonly (readonly [file: string, value: string])[];
}
