// SPDX-License-Identifier: Apache-2.0
import type { DocumentKeeper } from "../documents/keeper.ts";
import type { LibraryKeeper } from "../library/keeper.ts";
import type { PipewireServer } from "../pipewire/server.ts";
import type { Timers } from "../timers/timers.ts";
import { accountPortal } from "./account.ts";
import type { Backends } from "./backends.ts";
import { backgroundPortal } from "./background.ts";
import type { Environment, HostBuses } from "./buses.ts";
import { cameraPortal } from "./camera.ts";
import { documentsPortal } from "./documents.ts";
import { emailPortal } from "./email.ts";
import { fileTransferPortal } from "./filetransfer.ts";
import { flatpakPortal } from "./flatpak.ts";
import { inhibitPortal } from "./inhibit.ts";
import { libraryPortal } from "./library.ts";
import { locationPortal } from "./location.ts";
import { memoryPortal } from "./memory.ts";
import { networkPortal } from "./network.ts";
import { notificationPortal } from "./notification.ts";
import { openUriPortal } from "./openuri.ts";
import type { Portal, PortalServices } from "./portal.ts";
import { powerPortal } from "./power.ts";
import { proxyPortal } from "./proxy.ts";
import type { Questions } from "./questions.ts";
import { realtimePortal } from "./realtime.ts";
import { secretPortal } from "./secret.ts";
import { settingsPortal } from "./settings.ts";
import { timersPortal } from "./timers.ts";
import { trashPortal } from "./trash.ts";
import type { UsbHost } from "./usb/devices.ts";
import { usbPortal } from "./usb.ts";

/** What the portals of the service are made of. */
export interface BackendServices extends PortalServices {
  readonly buses: HostBuses;
  readonly environment: Environment;
  readonly documents: DocumentKeeper;
  readonly pipewire: PipewireServer;
  readonly library: LibraryKeeper;
  readonly timers: Timers;
  readonly questions: Questions;
  readonly usb: UsbHost;
  /** What the maker says now. */
  readonly backends: () => Backends;
}

const portals = [
  accountPortal,
  backgroundPortal,
  documentsPortal,
  cameraPortal,
  emailPortal,
  fileTransferPortal,
  inhibitPortal,
  libraryPortal,
  locationPortal,
  memoryPortal,
  networkPortal,
  notificationPortal,
  openUriPortal,
  powerPortal,
  proxyPortal,
  realtimePortal,
  secretPortal,
  settingsPortal,
  timersPortal,
  trashPortal,
  usbPortal,
];

/** The portals of every service; those of the maker of a device come besides. */
export function servedPortals(services: BackendServices): readonly Portal[] {
  return [flatpakPortal, ...portals.map((make) => make(services))];
}
