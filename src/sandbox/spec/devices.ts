// SPDX-License-Identifier: Apache-2.0
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import { addSharedMemory } from "./shared.ts";

const graphics = [
  ..."dri udmabuf mali mali0 umplock nvidiactl nvidia-modeset nvidia-uvm nvidia-uvm-tools kfd".split(" "),
  ...Array.from({ length: 20 }, (_, index) => `nvidia${index}`),
];

const nodesOf: Readonly<Record<string, readonly string[]>> = {
  dri: graphics,
  input: ["input"],
  kvm: ["kvm"],
  usb: ["bus/usb"],
};

export interface DeviceInput {
  readonly granted: (name: string) => boolean;
  /** Whether the app plays sound. */
  readonly sound: boolean;
  /** The folder whose `shm` becomes `/dev/shm`; undefined where it is the sandbox's own. */
  readonly shared: string | undefined;
}

/**
 * Whether a device of ALSA's plays, or is needed to: by these nothing is recorded. The others are microphones
 * (`pcmC0D0c`), MIDI, and what a card's driver has for itself.
 */
function isPlayback(name: string): boolean {
  return /^(controlC\d+|pcmC\d+D\d+p|timer)$/.test(name);
}

/** `/dev`: a small one of its own with the devices that are granted, or the host's. */
export function addDevices(root: RootBuilder, host: Host, { granted, sound, shared }: DeviceInput): void {
  if (granted("all")) {
    root.bind("/dev", "/dev", { access: "rw", devices: true });
    if (granted("shm")) return;
    root.tmpfs("/dev/shm", 0o1777);
    addSharedMemory(root, host, shared);
    return;
  }
  root.special("dev", "/dev");
  root.assume("/dev/shm");
  const names = ["ntsync", ...Object.entries(nodesOf).flatMap(([name, nodes]) => (granted(name) ? nodes : []))];
  if (sound)
    names.push(
      ...host
        .list("/dev/snd")
        .filter(isPlayback)
        .map((name) => `snd/${name}`),
    );
  for (const name of names) {
    const path = `/dev/${name}`;
    const node = host.lookAt(path);
    if (node === undefined || node.type === "symlink") continue;
    const type = node.type === "directory" ? "directory" : "file";
    root.bind(path, path, { access: "rw", devices: true, optional: true, type });
  }
  if (granted("shm") && host.lookAt("/dev/shm")?.type === "directory") {
    root.bind("/dev/shm", "/dev/shm", { access: "rw" });
  } else addSharedMemory(root, host, shared);
}
