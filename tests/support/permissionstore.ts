// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Child, RawPeer, type TestBus } from "./bus.ts";

const storeName = "org.freedesktop.impl.portal.PermissionStore";

/** The distribution's permission store on a bus, with its tables below `FOLDER/flatpak/db`; ready when this returns. */
export async function startPermissionStore(bus: TestBus, folder: string): Promise<Child> {
  mkdirSync(folder, { recursive: true });
  const environment = {
    HOME: join(folder, "home"),
    XDG_DATA_HOME: folder,
    DBUS_SESSION_BUS_ADDRESS: bus.address,
    LANG: "C.UTF-8",
  };
  const store = new Child(["/usr/libexec/xdg-permission-store"], ["ignore", "ignore", "ignore"], environment);
  using peer = await RawPeer.connect(bus.socket);
  await peer.callBus("AddMatch", "type='signal',member='NameOwnerChanged'");
  const found = (): boolean => peer.received.some(({ values }) => values[0] === storeName && values[2] !== "");
  const owner = await peer.callBus("NameHasOwner", storeName);
  if (owner.values[0] !== 1) await peer.until(found);
  return store;
}
