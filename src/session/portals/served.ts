// SPDX-License-Identifier: Apache-2.0
import { accountPortal } from "./account.ts";
import type { Backends } from "./backends.ts";
import type { Environment, HostBuses } from "./buses.ts";
import { emailPortal } from "./email.ts";
import { flatpakPortal } from "./flatpak.ts";
import { networkPortal } from "./network.ts";
import { openUriPortal } from "./openuri.ts";
import type { Portal, PortalServices } from "./portal.ts";
import { proxyPortal } from "./proxy.ts";
import { settingsPortal } from "./settings.ts";

/** What the portals of the service are made of. */
export interface BackendServices extends PortalServices {
  readonly buses: HostBuses;
  readonly environment: Environment;
  /** What the maker says now. */
  readonly backends: () => Backends;
}

const portals = [accountPortal, emailPortal, networkPortal, openUriPortal, proxyPortal, settingsPortal];

/** The portals of every service; those of the maker of a device come besides. */
export function servedPortals(services: BackendServices): readonly Portal[] {
  return [flatpakPortal, ...portals.map((make) => make(services))];
}
