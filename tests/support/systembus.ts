// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Child, RawPeer } from "./bus.ts";

/** Ids of users, and what polkit lets them do: all, updates only, or nothing at all. */
export const mayAll = 65_533;
export const mayUpdate = 65_532;
export const mayNothing = 65_531;
const users = [
  ["may-all", mayAll],
  ["may-update", mayUpdate],
  ["may-nothing", mayNothing],
] as const;

const rules = `polkit.addRule(function (action, subject) {
  if (action.id.indexOf("org.freedesktop.Flatpak.") !== 0) return polkit.Result.NOT_HANDLED;
  if (subject.user == "may-all") return polkit.Result.YES;
  if (subject.user == "may-nothing") return polkit.Result.NO;
  var isUpdate = /[.](app|runtime)-update$/.test(action.id);
  return subject.user == "may-update" && isUpdate ? polkit.Result.YES : polkit.Result.NOT_HANDLED;
});
`;

/** A system bus as Debian's, with Dowel's policy for its name and polkit's for its own. */
function configuration(socket: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=${socket}</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow user="*"/><deny own="*"/><deny send_type="method_call"/>
<allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/>
<allow receive_type="signal"/><allow send_destination="org.freedesktop.DBus"/>
</policy>
<include>/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf</include>
<include>${resolve("packaging/dbus/org.dowel.System1.conf")}</include>
</busconfig>`;
}

const polkitd = "exec /usr/lib/polkit-1/polkitd --no-debug";

/** Files of this folder that bus and polkit see in the places of Debian's: accounts, actions of this package, rules. */
const places = {
  passwd: "/etc/passwd",
  group: "/etc/group",
  actions: "/usr/share/polkit-1/actions",
  rules: "/etc/polkit-1/rules.d",
  "no-rules": "/usr/share/polkit-1/rules.d",
};

function prepare(folder: string): void {
  for (const name of ["actions", "rules", "no-rules"]) mkdirSync(join(folder, name));
  cpSync(resolve("packaging/polkit/org.dowel.System1.policy"), join(folder, "actions/org.dowel.System1.policy"));
  writeFileSync(join(folder, "rules/10-tests.rules"), rules);
  const accounts = users.map(([name, id]) => `${name}:x:${id}:${id}::/nonexistent:/bin/sh\n`);
  writeFileSync(join(folder, "passwd"), [readFileSync("/etc/passwd", "utf8"), ...accounts].join(""));
  const groups = users.map(([name, id]) => `${name}:x:${id}:\n`);
  writeFileSync(join(folder, "group"), [readFileSync("/etc/group", "utf8"), ...groups].join(""));
}

/** Starts a program where the files of a folder are in their places. */
function within(folder: string, command: string): string[] {
  const binds = Object.entries(places).map(([name, place]) => `mount --bind ${folder}/${name} ${place}`);
  return ["unshare", "--mount", "--propagation=private", "sh", "-euc", [...binds, command].join("\n")];
}

export interface SystemBus extends AsyncDisposable {
  readonly address: string;
  readonly socket: string;
}

/** A private system bus with the real dbus-daemon and the real polkit, both ready. */
export async function startSystemBus(): Promise<SystemBus> {
  const folder = mkdtempSync(join(tmpdir(), "dowel-system-bus-"));
  chmodSync(folder, 0o755);
  prepare(folder);
  const socket = join(folder, "bus");
  writeFileSync(join(folder, "bus.conf"), configuration(socket));
  const address = `unix:path=${socket}`;
  const daemon = `exec dbus-daemon --config-file=${folder}/bus.conf --nofork --nopidfile --print-address`;
  const bus = new Child(within(folder, daemon), ["ignore", "pipe", "ignore"]);
  await once(bus.process.stdout ?? bus.process, "data");
  const environment = { PATH: process.env["PATH"] ?? "", DBUS_SYSTEM_BUS_ADDRESS: address };
  const polkit = new Child(within(folder, polkitd), ["ignore", "ignore", "inherit"], environment);
  await owned(socket, "org.freedesktop.PolicyKit1", polkit);
  return {
    ...{ address, socket },
    async [Symbol.asyncDispose]() {
      await polkit[Symbol.asyncDispose]();
      await bus[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until a name has an owner. Throws where the process that would own it ends. */
export async function owned(socket: string, name: string, child: Child): Promise<void> {
  using peer = await RawPeer.connect(socket);
  let ended = false;
  void child.exit.then(() => {
    ended = true;
  });
  while (Number((await peer.callBus("NameHasOwner", name)).values[0]) !== 1) {
    if (ended) throw new Error(`The process that serves ${name} has ended`);
    await new Promise((done) => setTimeout(done, 10));
  }
}
