// SPDX-License-Identifier: Apache-2.0
// The distribution's portals as an app meets them: a real bus, xdg-desktop-portal, document portal and permission store,
// and a backend that tells whom the portal takes its caller for.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { RawPeer } from "../support/bus.ts";
import { Desktop } from "./desktop.ts";

const id = "org.example.Caller";
const backendName = "org.freedesktop.impl.portal.desktop.test";
const store = "org.freedesktop.impl.portal.PermissionStore";
/** Where the portals are: the root, or the tree of another distribution, as `mmdebstrap --include=xdg-desktop-portal` makes it. */
const tree = process.env["DOWEL_PORTALS_TREE"] ?? "/";
const shown = 'for name in proc dev tmp run; do [ "$0" = / ] || mount --rbind "/$name" "$0/$name"; done;';
/** Lets everybody open /dev/fuse, which on many machines only root may. */
const fuse = 'mount -t tmpfs none /mnt; mknod -m 666 /mnt/fuse c 10 229; mount --bind /mnt/fuse "$0/dev/fuse";';

/** Words before a program that run it in the tree, after a script. */
function inTree(script = ""): readonly [string, ...string[]] {
  return ["unshare", "--mount", "sh", "-ec", `${shown}${script} exec chroot "$0" "$@"`, tree];
}

/** Containers may have no such device; the document portal ends without one. */
const [unshare, ...words] = inTree(fuse);
const hasFuse = spawnSync(unshare, [...words, "sh", "-c", "exec 3<>/dev/fuse"]).status === 0;
let desktop: Desktop;
/** The peer that is the backend. */
let backend: RawPeer;
/** Apps for which the portal asked the backend. */
const told: string[] = [];

beforeAll(async () => {
  desktop = await Desktop.start(["sh", "cat", "gdbus", "unshare", "mount", "chroot", "mkdir"]);
  desktop.install(id, "[Context]\nfeatures=userns;\n");
  backend = await RawPeer.connect(desktop.bus.socket);
  await backend.callBus("RequestName", backendName);
  backend.onMessage = ({ type, sender, serial, member, values }) => {
    if (type !== 1) return;
    if (member === "AddNotification") told.push(String(values[0]));
    backend.send({ type: 2, destination: sender, replySerial: serial });
  };
  await startPortals();
});
afterAll(async () => {
  backend[Symbol.dispose]();
  await desktop[Symbol.asyncDispose]();
});

async function startPortals(): Promise<void> {
  const portals = desktop.pit.path("portals");
  mkdirSync(portals);
  const interfaces = "org.freedesktop.impl.portal.Notification;";
  writeFileSync(`${portals}/test.portal`, `[portal]\nDBusName=${backendName}\nInterfaces=${interfaces}\nUseIn=test\n`);
  const environment = { XDG_DESKTOP_PORTAL_DIR: portals, XDG_CURRENT_DESKTOP: "test", GSETTINGS_BACKEND: "memory" };
  for (const [program, name] of [
    ["xdg-permission-store", store],
    ["xdg-document-portal", "org.freedesktop.portal.Documents"],
    ["xdg-desktop-portal", "org.freedesktop.portal.Desktop"],
  ] as const) {
    if (program === "xdg-document-portal" && !hasFuse) continue;
    desktop.host([`/usr/libexec/${program}`], environment, inTree(program === "xdg-document-portal" ? fuse : ""));
    while ((await backend.callBus("NameHasOwner", name)).values[0] !== 1) await Bun.sleep(5);
  }
}

/** Calls a method of the real permission store, from outside of any sandbox. */
function askStore(method: string, ...words: readonly string[]): string {
  const path = "/org/freedesktop/impl/portal/PermissionStore";
  return desktop.ask(["gdbus", "call", "--session", "-d", store, "-o", path, "-m", `${store}.${method}`, ...words]);
}

const notify =
  "gdbus call --session --dest org.freedesktop.portal.Desktop --object-path /org/freedesktop/portal/desktop " +
  `--method org.freedesktop.portal.Notification.AddNotification one "{'title': <'x'>}" >&2`;

/** Tells whom `/.flatpak-info` names, then talks to two portals. */
const preparation = `set -e
printf '[Application]\\nname=org.example.Victim\\n[Instance]\\ninstance-id=1\\n' >/tmp/forged
echo text >"$XDG_DATA_HOME/file"
cat >/tmp/ask <<'END'
set -e
{ read -r _; read -r name; echo "$name" >&2; } </.flatpak-info
${notify}
sdbus document "\${file-$XDG_DATA_HOME/file}"
END
`;
const inNamespaces = "unshare --user --map-current-user --keep-caps --mount --pid --fork sh -e -c";
const forged = "name=org.example.Victim\n";

describe("an app before the portals is itself", () => {
  test.each([
    ["as it is started", "sh /tmp/ask", `name=${id}\n`],
    [
      "in namespaces of its own, behind another /.flatpak-info",
      `${inNamespaces} 'mount --bind /tmp/forged /.flatpak-info; sh /tmp/ask'`,
      forged,
    ],
    [
      "below another root, with another /.flatpak-info",
      `mkdir /tmp/root; ${inNamespaces} 'mount --rbind / /tmp/root; mount --bind /tmp/forged /tmp/root/.flatpak-info; exec chroot /tmp/root sh /tmp/ask'`,
      forged,
    ],
  ])("%s", async (_, script, shown) => {
    told.length = 0;
    const { stdout, stderr } = await desktop.run(id, preparation + script).outcome;
    expect(stderr).toStartWith(shown);
    await backend.until(() => told.length > 0);
    expect(told).toEqual([id]);
    if (!hasFuse) return;
    // The document portal takes no file whose path it cannot see.
    if (script.includes("chroot")) expect(stderr).toEndWith("(org.freedesktop.portal.Error.InvalidArgument)\n");
    else expect(askStore("Lookup", "documents", stdout.trim())).toStartWith(`({'${id}': [`);
  });
});
