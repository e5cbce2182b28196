// SPDX-License-Identifier: Apache-2.0
import type { Decision } from "./portals/decide.ts";

/** What an app may want of a machine that hears, sees and plays; all but sound are ids in the table `devices`. */
export const explainedDevices = ["sound", "microphone", "monitor", "camera"] as const;
export type ExplainedDevice = (typeof explainedDevices)[number];

export interface DeviceFacts {
  readonly app: string;
  /** `--socket=pulseaudio`, which is PipeWire, too. */
  readonly hasSound: boolean;
  /** `--device=all`, which is the sound cards and cameras themselves. */
  readonly hasAllDevices: boolean;
  /** What a rule of the machine's policy says; undefined where none fits. */
  readonly rule: Decision | undefined;
  /** What the permission store says. */
  readonly stored: Decision | undefined;
}

export interface DeviceExplanation {
  readonly device: ExplainedDevice;
  readonly may: boolean;
  readonly because: readonly string[];
  /** Commands that would allow it. */
  readonly allow: readonly string[];
}

function decided({ rule, stored }: DeviceFacts, path: string): { readonly may: boolean; readonly because: string } {
  if (rule !== undefined) return { may: rule === "yes", because: `a rule in ${path} says ${rule}` };
  if (stored !== undefined) return { may: stored === "yes", because: `the permission store says ${stored}` };
  return { may: false, because: "nothing allows it, and by default it is refused" };
}

/** What an app may do with a device, and why. Pure. @param path of the machine's policy */
export function explainDevice(device: ExplainedDevice, facts: DeviceFacts, path: string): DeviceExplanation {
  const { app, hasSound, hasAllDevices, rule } = facts;
  const sound = hasSound ? [] : [`dowel override --user --socket=pulseaudio ${app}`];
  if (device === "sound") {
    const because = hasSound
      ? ["--socket=pulseaudio, which is for playback: microphone and monitor are decided each by itself"]
      : [];
    return { device, may: hasSound || hasAllDevices, because, allow: sound };
  }
  if (hasAllDevices && device !== "monitor")
    return { device, may: true, because: ["--device=all, which gives it the devices themselves"], allow: [] };
  const { may, because } = decided(facts, path);
  const needsSound = device !== "camera" && !hasSound;
  const store = may || rule !== undefined ? [] : [`dowel permission-set devices ${device} ${app} yes`];
  return {
    device,
    may: may && !needsSound,
    because: [...(needsSound ? ["it has no sound at all"] : []), because],
    allow: rule !== undefined && !may ? [] : [...(needsSound ? sound : []), ...store],
  };
}
