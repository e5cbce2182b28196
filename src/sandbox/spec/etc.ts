// SPDX-License-Identifier: Apache-2.0
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import { imageHasFolder } from "./resolve.ts";

/** Names in `/etc` that are made for each sandbox; the others come from the runtime. */
const madeHere = new Set(
  "passwd group machine-id resolv.conf host.conf hosts gai.conf localtime timezone pkcs11".split(" "),
);

const nobody = 65534;

/** The user of the sandbox as `/etc/passwd` has them. */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly gecos: string;
  readonly group: string;
  readonly home: string;
}

function fieldsOf(text: string | undefined, id: number): string[] | undefined {
  return text
    ?.split("\n")
    .map((line) => line.split(":"))
    .find((fields) => fields[2] === String(id));
}

/** Reads the caller from `/etc/passwd`, `/etc/group` and, for users that are kept elsewhere, the environment. */
export function findUser(host: Host): User {
  const { uid, gid } = host.identity;
  const passwd = fieldsOf(host.read("/etc/passwd"), uid);
  const group = fieldsOf(host.read("/etc/group"), gid);
  const name = passwd?.[0] ?? host.variable("USER") ?? "user";
  const fromVariable = host.variable("HOME");
  const home = fromVariable?.startsWith("/") ? fromVariable : (passwd?.[5] ?? "/");
  const clean = (text: string) => text.replace(/[:\n]/g, "");
  return { name: clean(name), uid, gid, gecos: clean(passwd?.[4] ?? ""), group: clean(group?.[0] ?? name), home };
}

function addUsers(root: RootBuilder, user: User): void {
  const { name, uid, gid, gecos, group, home } = user;
  const users = [`${name}:x:${uid}:${gid}:${gecos}:${home}:/bin/sh`];
  const groups = [`${group}:x:${gid}:${name}`];
  if (uid !== nobody) users.push(`nfsnobody:x:${nobody}:${nobody}:Unmapped user:/:/sbin/nologin`);
  if (gid !== nobody) groups.push(`nfsnobody:x:${nobody}:`);
  root.file("/etc/passwd", `${users.join("\n")}\n`);
  root.file("/etc/group", `${groups.join("\n")}\n`);
}

/** The zone's name from where `/etc/localtime` leads, as timedatectl(1) reads it. */
function zoneOf(host: Host): string {
  const target = host.lookAt("/etc/localtime")?.target;
  const fromLink = target?.match(/zoneinfo\/(.+)$/)?.[1];
  const zone = fromLink ?? host.read("/etc/timezone")?.trim() ?? "UTC";
  return /^[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+)*$/.test(zone) ? zone : "UTC";
}

function addTime(root: RootBuilder, host: Host, usr: string): void {
  const zoneinfo = "/usr/share/zoneinfo";
  const zone = zoneOf(host);
  if (imageHasFolder(host, usr, "share/zoneinfo")) {
    root.assume(zoneinfo);
    if (host.lookAt(zoneinfo)?.type === "directory") root.bind(zoneinfo, zoneinfo);
  }
  root.symlink("/etc/localtime", `../usr/share/zoneinfo/${zone}`);
  root.file("/etc/timezone", `${zone}\n`);
  root.symlink("/var/db/zoneinfo", "/etc/timezone");
}

/** Files in `/etc` that say how names of hosts are found. */
export const networkFiles = ["resolv.conf", "host.conf", "hosts", "gai.conf"] as const;

function addNetworkFiles(root: RootBuilder, host: Host): void {
  for (const name of networkFiles) {
    const text = host.read(`/etc/${name}`);
    if (text !== undefined) root.file(`/etc/${name}`, text);
  }
}

function addRuntimeEntries(root: RootBuilder, host: Host, usr: string): void {
  if (!imageHasFolder(host, usr, "etc")) return;
  const folder = `${usr}/etc`;
  for (const name of host.list(folder)) {
    if (madeHere.has(name)) continue;
    const node = host.lookAt(`${folder}/${name}`);
    const target = node?.type === "symlink" ? node.target : undefined;
    root.symlink(`/etc/${name}`, target ?? `../usr/etc/${name}`);
  }
}

/** `/etc`: the runtime's own files by links into `/usr/etc`, and what belongs to the user, the machine and the time. */
export function addEtc(root: RootBuilder, host: Host, usr: string, user: User): void {
  addUsers(root, user);
  const machineId = host.read("/etc/machine-id") ?? host.read("/var/lib/dbus/machine-id");
  if (machineId !== undefined) root.file("/etc/machine-id", machineId);
  root.file("/etc/pkcs11/pkcs11.conf", "user-config: none\n");
  addRuntimeEntries(root, host, usr);
  addTime(root, host, usr);
}

/** `/etc` of a build: nothing of the machine, but the names of hosts where the build has the network. */
export function addBuildEtc(root: RootBuilder, host: Host, usr: string, user: User, network: boolean): void {
  addUsers(root, user);
  if (network) addNetworkFiles(root, host);
  addRuntimeEntries(root, host, usr);
}
