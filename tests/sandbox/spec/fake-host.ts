// SPDX-License-Identifier: Apache-2.0
import { dirname } from "node:path";
import { parseMetadata } from "../../../src/metadata/metadata.ts";
import { noPermissions } from "../../../src/metadata/permissions/model.ts";
import { applyPermissionOption } from "../../../src/metadata/permissions/options.ts";
import type { Host, HostNode, HostNodeType } from "../../../src/sandbox/probe/host.ts";
import { specify } from "../../../src/sandbox/spec/specify.ts";
import type { RunOptions, SandboxImage, Specification, SpecificationInput } from "../../../src/sandbox/spec/types.ts";

/** A file's text, its bytes, or what else lies there; folders above are there by themselves. */
export type FakeNode =
  | string
  | { readonly link: string }
  | { readonly type: HostNodeType; readonly bytes?: Uint8Array };

export const folder: FakeNode = { type: "directory" };
export const socket: FakeNode = { type: "socket" };

/** A machine given by a table. */
export class FakeHost implements Host {
  readonly identity = { uid: 1000, gid: 1000, hostname: "machine" };
  readonly #nodes = new Map<string, FakeNode>();
  readonly #variables: Readonly<Record<string, string>>;

  constructor(nodes: Readonly<Record<string, FakeNode>>, variables: Readonly<Record<string, string>> = {}) {
    this.#variables = variables;
    for (const [path, node] of Object.entries(nodes)) {
      for (let above = dirname(path); !this.#nodes.has(above); above = dirname(above)) this.#nodes.set(above, folder);
      this.#nodes.set(path, node);
    }
  }

  variable(name: string): string | undefined {
    return this.#variables[name];
  }

  lookAt(path: string): HostNode | undefined {
    const node = this.#nodes.get(path);
    if (node === undefined) return undefined;
    if (typeof node === "string") return { type: "file" };
    return "link" in node ? { type: "symlink", target: node.link } : node;
  }

  list(path: string): readonly string[] {
    const below = path === "/" ? "/" : `${path}/`;
    const names = [...this.#nodes.keys()].filter((name) => name.startsWith(below) && name !== "/");
    return [...new Set(names.map((name) => name.slice(below.length).split("/")[0] ?? ""))].sort();
  }

  read(path: string): string | undefined {
    const node = this.#nodes.get(path);
    return typeof node === "string" ? node : undefined;
  }

  readBytes(path: string): Uint8Array | undefined {
    const node = this.#nodes.get(path);
    if (typeof node === "string") return Buffer.from(node);
    return node !== undefined && "bytes" in node ? node.bytes : undefined;
  }

  medium(path: string): string | undefined {
    return path.startsWith("/media/") ? `uuid:${path.split("/")[2]}` : undefined;
  }
}

/** A small machine with a user, a runtime and an app. */
export const machine: Readonly<Record<string, FakeNode>> = {
  "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000:Ann Example:/home/ann:/bin/zsh\n",
  "/etc/group": "root:x:0:\nstaff:x:1000:\n",
  "/etc/resolv.conf": "nameserver 192.0.2.1\n",
  "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
  "/etc/localtime": { link: "/usr/share/zoneinfo/Europe/Berlin" },
  "/home/ann/.var/app/org.example.App": folder,
  "/home/ann/Documents/letter.txt": "text",
  "/sys/class": folder,
  "/usr/share/zoneinfo": folder,
  "/images/runtime/usr/bin": folder,
  "/images/runtime/usr/lib": folder,
  "/images/runtime/usr/etc/fonts": folder,
  "/images/runtime/usr/etc/passwd": "ignored",
  "/images/runtime/usr/etc/mtab": { link: "../proc/self/mounts" },
  "/images/runtime/usr/share/zoneinfo": folder,
};

const variables = { HOME: "/home/ann", XDG_RUNTIME_DIR: "/run/user/1000" };

export const exampleRuntime: SandboxImage = {
  ref: { kind: "runtime", id: "org.example.Platform", arch: "x86_64", branch: "1" },
  commit: "b".repeat(64),
  path: "/images/runtime",
  lower: "/images/runtime",
  metadata: parseMetadata(
    "[Runtime]\nname=org.example.Platform\n[Environment]\nFROM_RUNTIME=1\n[Context]\nshared=network;\n",
  ),
};

function appWith(context: string): SandboxImage {
  const text = `[Application]\nname=org.example.App\nruntime=org.example.Platform/x86_64/1\ncommand=app\n${context}`;
  return {
    ref: { kind: "app", id: "org.example.App", arch: "x86_64", branch: "stable" },
    commit: "a".repeat(64),
    path: "/images/app",
    lower: "/images/app",
    metadata: parseMetadata(text),
  };
}

export interface Scenario {
  readonly context?: string;
  readonly options?: readonly string[];
  readonly nodes?: Readonly<Record<string, FakeNode>>;
  readonly variables?: Readonly<Record<string, string>>;
  readonly input?: Partial<SpecificationInput>;
  readonly run?: Partial<RunOptions>;
  /** Another machine in place of the small one. */
  readonly host?: {
    readonly nodes: Readonly<Record<string, FakeNode>>;
    readonly variables: Readonly<Record<string, string>>;
  };
}

/** The specification of the example app with more metadata, options, host files or variables. */
export function specifyExample(scenario: Scenario = {}): Specification {
  const host =
    scenario.host === undefined
      ? new FakeHost({ ...machine, ...scenario.nodes }, { ...variables, ...scenario.variables })
      : new FakeHost(scenario.host.nodes, scenario.host.variables);
  const permissions = (scenario.options ?? []).reduce(applyPermissionOption, noPermissions);
  return specify(
    {
      app: appWith(scenario.context ?? ""),
      runtime: exampleRuntime,
      extensions: { app: [], runtime: [] },
      linkerCache: undefined,
      previousIds: [],
      overrides: noPermissions,
      options: {
        permissions,
        command: undefined,
        cwd: undefined,
        devel: false,
        clearEnvironment: false,
        dieWithParent: false,
        sandboxed: false,
        documents: true,
        app: undefined,
        usr: undefined,
        binds: [],
        buses: { session: undefined, a11y: undefined, log: [] },
        parent: undefined,
        instanceIdFd: undefined,
        profile: undefined,
        ...scenario.run,
      },
      hidden: ["/home/ann/.local/share/dowel"],
      runFolder: "/run/user/1000/dowel",
      session: "/run/user/1000",
      ...scenario.input,
    },
    host,
  );
}

/** The binds of a specification as `source target access`, short enough for tables. */
export function binds(specification: Specification): string[] {
  return specification.mounts.flatMap((mount) =>
    mount.kind === "bind" ? [`${mount.source} ${mount.target} ${mount.access}`] : [],
  );
}

/** The targets of all mounts of one kind. */
export function targets(specification: Specification, kind: Specification["mounts"][number]["kind"]): string[] {
  return specification.mounts.filter((mount) => mount.kind === kind).map((mount) => mount.target);
}

export function fileText(specification: Specification, path: string): string | undefined {
  const entry = specification.layer.find((one) => one.path === path);
  return entry?.kind === "file" ? entry.text : undefined;
}

/** The text of the sandbox's `/.flatpak-info` for an instance number of 7. */
export function infoText({ instance }: Specification): string {
  return instance?.info.join("7") ?? "";
}
