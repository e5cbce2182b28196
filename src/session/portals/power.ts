// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { valueAs } from "../../formats/dbus/types.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";

const shape = {
  name: "org.freedesktop.portal.PowerProfileMonitor",
  methods: {},
  properties: { version: "u", "power-saver-enabled": "b" },
} as const satisfies InterfaceShape;

/** Names of power-profiles-daemon: since 0.20, and before. */
const daemons = [
  ["org.freedesktop.UPower.PowerProfiles", "/org/freedesktop/UPower/PowerProfiles"],
  ["net.hadess.PowerProfiles", "/net/hadess/PowerProfiles"],
] as const;
const properties = "org.freedesktop.DBus.Properties";

/** Whether the machine saves power, as power-profiles-daemon or tuned say; no where there is neither. */
export function powerPortal({ buses, failed }: BackendServices) {
  const ask = async (): Promise<boolean> => {
    const peer = await buses.connect("system");
    for (const [name, path] of daemons) {
      if ((await peer.ownerOf(name)) === "") continue;
      const call = { destination: name, path, interface: properties, member: "Get", signature: "ss" } as const;
      const [profile] = await peer.call({ ...call, values: [name, "ActiveProfile"], returns: "v" });
      return valueAs("s", profile) === "power-saver";
    }
    return false;
  };
  const saves = async (): Promise<boolean> => {
    try {
      return await ask();
    } catch (error) {
      if (isDowelError(error)) return false;
      throw error;
    }
  };
  return definePortal(shape, desktopPortal, ({ emitChanged, ended }) => {
    let told: boolean | undefined;
    const look = async (): Promise<void> => {
      const now = await saves();
      if (told !== undefined && told !== now) emitChanged(shape, { "power-saver-enabled": now });
      told = now;
    };
    const follow = async (): Promise<void> => {
      const peer = await buses.connect("system");
      for (const [, path] of daemons) {
        const rule = { path, interface: properties, member: "PropertiesChanged" };
        const heard = await peer.listen(rule, () => void look().catch(failed));
        ended.addEventListener("abort", () => heard[Symbol.dispose]());
      }
      await look();
    };
    // Without a system bus nothing changes.
    follow().catch((error: unknown) => (isDowelError(error) ? undefined : failed(error)));
    return { methods: {}, properties: { version: () => 1, "power-saver-enabled": saves } };
  });
}
