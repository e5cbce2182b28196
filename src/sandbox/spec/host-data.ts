// SPDX-License-Identifier: Apache-2.0
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import { resolveHostPath } from "./resolve.ts";

interface SharedFolder {
  /** Where the host may have it; the first that is there counts. */
  readonly sources: readonly string[];
  readonly target: string;
  /** In the caller's home, where an app with rights there could have left a link: taken only where there is none. */
  readonly inHome?: true;
  /** Whether fontconfig is told that the folder is the one of the host. */
  readonly fonts?: true;
}

function sharedFolders(host: Host, home: string): readonly SharedFolder[] {
  const folder = (variable: string, fallback: string) => {
    const value = host.variable(variable);
    return value?.startsWith("/") === true ? value : `${home}/${fallback}`;
  };
  const data = folder("XDG_DATA_HOME", ".local/share");
  return [
    { sources: ["/usr/share/fonts"], target: "/run/host/fonts", fonts: true },
    { sources: ["/usr/local/share/fonts"], target: "/run/host/local-fonts", fonts: true },
    { sources: ["/var/cache/fontconfig", "/usr/lib/fontconfig/cache"], target: "/run/host/fonts-cache" },
    { sources: [`${data}/fonts`, `${home}/.fonts`], target: "/run/host/user-fonts", fonts: true, inHome: true },
    {
      sources: [`${folder("XDG_CACHE_HOME", ".cache")}/fontconfig`],
      target: "/run/host/user-fonts-cache",
      inHome: true,
    },
    { sources: ["/usr/share/icons"], target: "/run/host/share/icons" },
    { sources: [`${data}/icons`, `${home}/.icons`], target: "/run/host/user-share/icons", inHome: true },
  ];
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? "");
}

function fontDirs(found: readonly { readonly source: string; readonly target: string }[]): string {
  const lines = found.map(
    ({ source, target }) => `  <remap-dir as-path="${escapeXml(source)}">${escapeXml(target)}</remap-dir>`,
  );
  const doctype = '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">';
  return `${[doctype, "<fontconfig>", ...lines, "</fontconfig>"].join("\n")}\n`;
}

/** What the host's system is, and its fonts and icons, where toolkits of existing runtimes look for them. */
export function addHostData(root: RootBuilder, host: Host, home: string): void {
  const osRelease = host.read("/etc/os-release") ?? host.read("/usr/lib/os-release");
  if (osRelease !== undefined) root.file("/run/host/os-release", osRelease);
  const fonts: { source: string; target: string }[] = [];
  for (const { sources, target, inHome, fonts: isFonts } of sharedFolders(host, home)) {
    for (const source of sources) {
      const resolved = resolveHostPath(host, source);
      if (resolved?.type !== "directory" || (inHome === true && resolved.links.length > 0)) continue;
      const options = inHome === true ? ({ optional: true, distrusted: true } as const) : ({ optional: true } as const);
      if (root.bind(resolved.path, target, options) && isFonts === true) fonts.push({ source, target });
      break;
    }
  }
  root.file("/run/host/font-dirs.xml", fontDirs(fonts));
}

/** Sockets of the system that every app may use, and those that go with the network. */
export function addSystemSockets(root: RootBuilder, host: Host, session: string | undefined, network: boolean): void {
  const always = ["/run/systemd/journal/socket", "/run/systemd/journal/stdout"];
  const sockets = network ? [...always, "/run/systemd/resolve/io.systemd.Resolve"] : always;
  for (const path of sockets) {
    if (host.lookAt(path)?.type === "socket") root.bind(path, path, { access: "rw", type: "file", optional: true });
  }
  const gssproxy = session === undefined ? undefined : `${session}/gssproxy`;
  if (network && gssproxy !== undefined && host.lookAt(gssproxy)?.type === "directory") {
    root.bind(gssproxy, "/run/flatpak/gssproxy", { optional: true });
  }
}
