// SPDX-License-Identifier: Apache-2.0
import { BusCallError } from "../../dbus/errors.ts";
import type { InterfaceShape } from "../../dbus/interface.ts";
import { socketPair } from "../../sys/sockets.ts";
import { closeDescriptors } from "../../sys/transfer.ts";
import { noTraffic } from "../bus/stream.ts";
import { leaveFor } from "../guard/leave.ts";
import { PipewireLink } from "../pipewire/link.ts";
import { cameraView, isCamera, type Source } from "../pipewire/view.ts";
import type { CallingApp } from "./app.ts";
import { portalErrors } from "./errors.ts";
import { permitOnce } from "./permit.ts";
import { definePortal, desktopPortal } from "./portal.ts";
import type { BackendServices } from "./served.ts";

const shape = {
  name: "org.freedesktop.portal.Camera",
  methods: {
    AccessCamera: { in: "a{sv} options", out: "o handle" },
    OpenPipeWireRemote: { in: "a{sv} options", out: "h fd" },
  },
  properties: { version: "u", IsCameraPresent: "b" },
} as const satisfies InterfaceShape;

/** Connections to PipeWire that one connection to the portals may have open. */
const remotes = 16;

/**
 * Cameras by PipeWire (Camera portal, version 1): whom the table `devices` or the machine's owner allows it gets a
 * connection on which there are cameras and nothing else. It ends when the leave does.
 */
export function cameraPortal(services: BackendServices) {
  const { loop, decide, decisionsChanged, pipewire } = services;
  return definePortal(shape, desktopPortal, ({ ended }) => {
    // What the maker's command says is kept nowhere else.
    let agreed = false;
    const allowed = async (app: CallingApp): Promise<boolean> => {
      const decision = await decide(app, "devices", "camera", "no");
      return decision === "yes" || (decision === "ask" && agreed);
    };
    const links = new Set<Disposable>();
    ended.addEventListener("abort", () => {
      for (const link of links) link[Symbol.dispose]();
    });
    const open = (app: CallingApp): number => {
      if (links.size >= remotes) throw new BusCallError(portalErrors.failed, "Too many connections are open");
      const [own, given] = socketPair("stream");
      const link: PipewireLink = new PipewireLink(loop, own, {
        view: cameraView,
        server: pipewire,
        leave: leaveFor<Source>(loop, decisionsChanged, ["camera"], () => allowed(app)),
        traffic: noTraffic(),
        ended: () => links.delete(link),
      });
      links.add(link);
      void link.attachAs(app.id, app.instance, () => link.attachFrom(() => pipewire.connect()));
      return given;
    };
    return {
      methods: {
        AccessCamera({ app, request }, options) {
          const question = {
            title: `Let ${app.id} use cameras?`,
            reason: "It sees what they see, until you take it back.",
          };
          const work = async (signal: AbortSignal) => {
            const may = await permitOnce(services, app, ["devices", "camera"], "no", question, signal);
            agreed = may;
            return { response: may ? 0 : 1 } as const;
          };
          return [request(options, work)];
        },
        async OpenPipeWireRemote({ app }) {
          if (!(await allowed(app))) throw new BusCallError(portalErrors.notAllowed, "This app may not use cameras");
          try {
            await pipewire.look();
            const given = open(app);
            // By the next pause the answer has gone, with a copy of it.
            loop.yield();
            loop.retry(() => closeDescriptors([given]));
            return [given];
          } catch (cause) {
            if (cause instanceof BusCallError) throw cause;
            throw new BusCallError(portalErrors.failed, "PipeWire does not answer", { cause });
          }
        },
      },
      properties: {
        version: () => 1,
        async IsCameraPresent() {
          try {
            return (await pipewire.look()).hasNode(isCamera);
          } catch {
            return false;
          }
        },
      },
    };
  });
}
