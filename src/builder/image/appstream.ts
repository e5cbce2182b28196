// SPDX-License-Identifier: Apache-2.0
import type { Ref } from "../../metadata/ref.ts";
import { readContent } from "../tree/read.ts";
import { contentSize, fileAt, type Tree } from "../tree/types.ts";

const prefix = "org.freedesktop.appstream.";
export const appdataLabel = `${prefix}appdata`;

/** Labels travel with every list of images, so that what is larger stays in the image alone. */
const mostAppdata = 256 * 1024;
const mostIcon = 64 * 1024;

function read(tree: Tree, paths: readonly string[], most: number): Uint8Array | undefined {
  for (const path of paths) {
    const file = fileAt(tree, path);
    if (file !== undefined && contentSize(file.content) <= most) return readContent(file.content);
  }
  return undefined;
}

/** The labels by which registries and software centres know an app: what it exports as AppStream data and icons. */
export function appstreamLabels(tree: Tree, { id }: Pick<Ref, "id">): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  const names = [`${id}.metainfo.xml`, `${id}.appdata.xml`];
  const folders = ["export/share/metainfo", "files/share/metainfo", "files/share/appdata"];
  const places = folders.flatMap((folder) => names.map((name) => `${folder}/${name}`));
  const appdata = read(tree, places, mostAppdata);
  if (appdata !== undefined) labels.set(appdataLabel, Buffer.from(appdata).toString("utf8"));
  for (const size of [64, 128]) {
    const path = `share/icons/hicolor/${size}x${size}/apps/${id}.png`;
    const icon = read(tree, [`export/${path}`, `files/${path}`], mostIcon);
    if (icon === undefined) continue;
    labels.set(`${prefix}icon-${size}`, `data:image/png;base64,${Buffer.from(icon).toString("base64")}`);
  }
  return labels;
}
