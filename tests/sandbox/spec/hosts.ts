// SPDX-License-Identifier: Apache-2.0
// Machines as tables: what a specification may find on several distributions.
import { type FakeNode, folder, machine, socket } from "./fake-host.ts";

export interface FakeMachine {
  readonly nodes: Readonly<Record<string, FakeNode>>;
  readonly variables: Readonly<Record<string, string>>;
}

type Nodes = Readonly<Record<string, FakeNode>>;

const session = "/run/user/1000";

function osRelease(id: string): Nodes {
  return { "/etc/os-release": { link: "../usr/lib/os-release" }, "/usr/lib/os-release": `ID=${id}\n` };
}

/** An Xauthority file with one key for display 0 of this machine and one for another machine. */
function xauthority(): Uint8Array {
  const field = (text: string) => Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text, "latin1")]);
  const entry = (host: string, key: string) =>
    Buffer.concat([Buffer.from([1, 0]), ...[host, "0", "MIT-MAGIC-COOKIE-1", key].map(field)]);
  return Buffer.concat([entry("elsewhere", "other key"), entry("machine", "this key")]);
}

const mergedUsr: Nodes = Object.fromEntries(
  ["bin", "lib", "lib64", "sbin"].flatMap((name) => [
    [`/${name}`, { link: `usr/${name}` }],
    [`/usr/${name}`, folder],
  ]),
);

/** Everything a desktop session offers, Wayland and X11 side by side. */
const desktop: FakeMachine = {
  nodes: {
    ...machine,
    ...mergedUsr,
    "/dev/dri": folder,
    "/dev/kvm": { type: "device" },
    "/dev/shm": folder,
    ...Object.fromEntries(
      ["controlC0", "hwC0D0", "midiC0D0", "pcmC0D0c", "pcmC0D0p", "seq", "timer"].map((name) => [
        `/dev/snd/${name}`,
        { type: "device" },
      ]),
    ),
    "/media/stick": folder,
    "/run/cups/cups.sock": socket,
    "/run/dbus/system_bus_socket": socket,
    "/run/media": folder,
    "/run/pcscd/pcscd.comm": socket,
    "/run/systemd/journal/socket": socket,
    "/run/systemd/journal/stdout": socket,
    "/srv": folder,
    "/tmp/.X11-unix/X0": socket,
    "/usr/share/fonts": folder,
    "/usr/share/icons": folder,
    "/home/ann/.Xauthority": { type: "file", bytes: xauthority() },
    "/home/ann/.config/user-dirs.dirs": 'XDG_DOWNLOAD_DIR="$HOME/Downloads"\nXDG_DOCUMENTS_DIR="$HOME/Documents"\n',
    "/home/ann/.config/toolkit/settings": "",
    "/home/ann/.local/share/fonts": folder,
    "/home/ann/Downloads": folder,
    [`${session}/app/org.example.App`]: folder,
    [`${session}/bus`]: socket,
    [`${session}/doc/by-app/org.example.App`]: folder,
    [`${session}/gnupg/S.gpg-agent`]: socket,
    [`${session}/pulse/native`]: socket,
    [`${session}/pipewire-0`]: socket,
    [`${session}/ssh`]: socket,
    [`${session}/wayland-0`]: socket,
  },
  variables: {
    HOME: "/home/ann",
    XDG_RUNTIME_DIR: session,
    WAYLAND_DISPLAY: "wayland-0",
    DISPLAY: ":0",
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${session}/bus,guid=0`,
    SSH_AUTH_SOCK: `${session}/ssh`,
  },
};

function without(machine: FakeMachine, path: string, variable: string): FakeMachine {
  const { [path]: _path, ...nodes } = machine.nodes;
  const { [variable]: _variable, ...variables } = machine.variables;
  return { nodes, variables };
}

function withNodes(nodes: Nodes, variables: Readonly<Record<string, string>> = {}): FakeMachine {
  return { nodes: { ...desktop.nodes, ...nodes }, variables: { ...desktop.variables, ...variables } };
}

export const hosts = {
  debian: withNodes({
    ...osRelease("debian"),
    "/etc/alternatives": folder,
    "/sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
    "/etc/timezone": "Europe/Berlin\n",
    "/var/cache/fontconfig": folder,
    "/usr/lib32": folder,
    "/lib32": { link: "usr/lib32" },
  }),
  fedora: withNodes({
    ...osRelease("fedora"),
    "/etc/alternatives": folder,
    "/etc/resolv.conf": { link: "../run/systemd/resolve/stub-resolv.conf" },
    "/run/systemd/resolve/io.systemd.Resolve": socket,
    "/run/systemd/resolve/stub-resolv.conf": "nameserver 127.0.0.53\n",
    "/usr/lib/fontconfig/cache": folder,
  }),
  arch: withNodes({ ...osRelease("arch"), "/etc/localtime": { link: "../usr/share/zoneinfo/UTC" } }, { DISPLAY: ":1" }),
  /** An immutable /usr, and a home and /usr/local behind links into /var. */
  image: withNodes(
    {
      ...osRelease("silverblue"),
      "/home": { link: "var/home" },
      "/var/home/ann/.var/app/org.example.App": folder,
      "/var/home/ann/Documents/letter.txt": "text",
      "/var/usrlocal": folder,
      "/srv": { link: "var/srv" },
      "/var/srv": folder,
    },
    { HOME: "/home/ann" },
  ),
  "without-wayland": without(desktop, `${session}/wayland-0`, "WAYLAND_DISPLAY"),
  /** A server, or a machine over SSH: no session folder at all. */
  bare: { nodes: machine, variables: { HOME: "/home/ann" } },
} satisfies Readonly<Record<string, FakeMachine>>;
