// SPDX-License-Identifier: Apache-2.0
import { listRemotes } from "../remotes/config.ts";
import { parseLocation } from "../remotes/location.ts";
import type { ImagePlace } from "../remotes/types.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";

/** The place that a deployment noted as its source, with the scheme that its remote says. */
export function placeOfSource(deployment: Deployment, installation: Installation): ImagePlace | undefined {
  const location = parseLocation(deployment.source);
  if (location.kind === "layout" || location.kind === "archive") return location;
  const { host } = location;
  const repository = location.kind === "image" ? location.repository : location.namespace;
  const remote = listRemotes(installation).find(({ name }) => name === deployment.origin);
  const origin = remote === undefined ? undefined : parseLocation(remote.url);
  const isOrigin = origin !== undefined && "host" in origin && origin.host === host;
  const secure = isOrigin ? origin.secure : location.secure;
  return { kind: "registry", baseUrl: `${secure ? "https" : "http"}://${host}/`, repository };
}
