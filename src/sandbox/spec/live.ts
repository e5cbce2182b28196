// SPDX-License-Identifier: Apache-2.0
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import { networkFiles } from "./etc.ts";
import { resolveHostPath } from "./resolve.ts";

/** What Flatpak's helper of the session keeps, where it runs: copies of files that change, and a socket for trust. */
function helperFolder(session: string): string {
  return `${session}/.flatpak-helper`;
}

/** Whether the helper's copies are kept up to date: they are no use once nobody does. */
function isCurrent(host: Host, monitor: string): boolean {
  const text = host.read("/etc/resolv.conf");
  return (
    host.lookAt(monitor)?.type === "directory" && text !== undefined && host.read(`${monitor}/resolv.conf`) === text
  );
}

/**
 * How names of hosts are found, as it changes on the host: by the helper's copies, which follow files that are replaced;
 * else by binds, which follow what is written into them.
 */
export function addLiveNetworkFiles(root: RootBuilder, host: Host, session: string | undefined): void {
  const monitor = session === undefined ? undefined : `${helperFolder(session)}/monitor`;
  if (monitor !== undefined && isCurrent(host, monitor)) {
    root.bind(monitor, "/run/host/monitor", { optional: true });
    for (const name of networkFiles) {
      if (host.lookAt(`${monitor}/${name}`) !== undefined) root.symlink(`/etc/${name}`, `/run/host/monitor/${name}`);
    }
    return;
  }
  for (const name of networkFiles) {
    const found = resolveHostPath(host, `/etc/${name}`);
    if (found?.type === "file") root.bind(found.path, `/etc/${name}`, { type: "file", optional: true });
  }
}

/** The socket of the helper's p11-kit server, whose name ends with the number of a process that lives. */
function findTrustSocket(host: Host, session: string): string | undefined {
  const folder = helperFolder(session);
  const names = host.list(folder).filter((name) => {
    const pid = /^pkcs11-flatpak-([0-9]+)$/.exec(name)?.[1];
    return pid !== undefined && host.lookAt(`/proc/${pid}`)?.type === "directory";
  });
  const sockets = names.map((name) => `${folder}/${name}`).filter((path) => host.lookAt(path)?.type === "socket");
  return sockets.at(-1);
}

/** The host's certificates, where the session's helper serves them: the runtime's trust module is told to ask there. */
export function addTrust(root: RootBuilder, host: Host, session: string | undefined): void {
  const socket = session === undefined ? undefined : findTrustSocket(host, session);
  if (socket === undefined) return;
  if (!root.bind(socket, "/run/flatpak/p11-kit/pkcs11", { access: "rw", type: "file", optional: true })) return;
  root.file("/etc/pkcs11/modules/p11-kit-trust.module", "module: p11-kit-client.so\n");
  root.symlink(`/run/user/${host.identity.uid}/p11-kit`, "../../flatpak/p11-kit");
}
