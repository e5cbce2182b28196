// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { isDowelError } from "../base/errors.ts";
import { parseKeyfile } from "../formats/keyfile/parse.ts";
import { type Appdata, parseAppdata } from "../metadata/appdata.ts";
import type { Deployment } from "../store/types.ts";
import { readPlainFile } from "../sys/plainfile.ts";

const appdataLabel = "org.freedesktop.appstream.appdata";

function readOptional(path: string): Buffer | undefined {
  try {
    return readPlainFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

function appdataText(deployment: Deployment): string | undefined {
  const label = deployment.labels.get(appdataLabel);
  if (label !== undefined) return label;
  const { id } = deployment.ref;
  const folder = join(deployment.path, "export/share/metainfo");
  const found = readOptional(join(folder, `${id}.metainfo.xml`)) ?? readOptional(join(folder, `${id}.appdata.xml`));
  return found?.toString("utf8");
}

function fromDesktopFile(deployment: Deployment): Appdata {
  const path = join(deployment.path, "export/share/applications", `${deployment.ref.id}.desktop`);
  const bytes = readOptional(path);
  if (bytes === undefined) return {};
  try {
    const keyfile = parseKeyfile(bytes, path);
    const name = keyfile.get("Desktop Entry", "Name");
    const summary = keyfile.get("Desktop Entry", "Comment");
    return { ...(name === undefined ? {} : { name }), ...(summary === undefined ? {} : { summary }) };
  } catch (error) {
    if (isDowelError(error)) return {};
    throw error;
  }
}

/**
 * What an app says about itself: from its AppStream data (label or exported file), else from its exported desktop
 * file. The texts are the app's own, so they are to be escaped before they are shown.
 */
export function describeDeployment(deployment: Deployment): Appdata {
  const text = appdataText(deployment);
  const appdata = text === undefined ? {} : parseAppdata(text);
  if (deployment.ref.kind !== "app" || (appdata.name !== undefined && appdata.summary !== undefined)) return appdata;
  return { ...fromDesktopFile(deployment), ...appdata };
}
