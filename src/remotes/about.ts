// SPDX-License-Identifier: Apache-2.0
import { type Appdata, parseAppdata } from "../metadata/appdata.ts";
import type { RemoteRef } from "./types.ts";

/** What the AppStream data of an offered image say in short: by the catalogue, or by its label. */
export function aboutOf({ about, labels }: Pick<RemoteRef, "about" | "labels">): Appdata {
  return about ?? parseAppdata(labels.get("org.freedesktop.appstream.appdata") ?? "");
}

/** The name that a listing shows: the app's own, else the last part of its id. */
export function shownNameOf(about: Appdata, id: string): string {
  return about.name ?? id.replace(/^.*\./, "");
}
