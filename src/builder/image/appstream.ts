// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { formatXml } from "../../formats/xml/format.ts";
import { parseXml, type XmlElement } from "../../formats/xml/parse.ts";
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

/**
 * Metainfo as a collection of one component with the icons that go with it (AppStream specification, "Catalog Metadata"):
 * what Flatpak takes out of a label. What cannot be read stays as it is; nobody else reads it either.
 */
function collectionOf(metainfo: string, id: string, icons: readonly number[]): string {
  let root: XmlElement;
  try {
    root = parseXml(metainfo, `AppStream data of ${id}`);
  } catch (error) {
    if (isDowelError(error)) return metainfo;
    throw error;
  }
  if (root.name !== "component") return metainfo;
  const cached = icons.map((size): XmlElement => {
    const attributes = new Map(Object.entries({ type: "cached", width: `${size}`, height: `${size}` }));
    return { name: "icon", attributes, children: [`${id}.png`] };
  });
  const component = { ...root, children: [...root.children, ...cached] };
  const attributes = new Map(Object.entries({ version: "0.8", origin: id }));
  return formatXml({ name: "components", attributes, children: [component] });
}

/** The labels by which registries and software centres know an app: what it exports as AppStream data and icons. */
export function appstreamLabels(tree: Tree, { id }: Pick<Ref, "id">): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  const names = [`${id}.metainfo.xml`, `${id}.appdata.xml`];
  const folders = ["export/share/metainfo", "files/share/metainfo", "files/share/appdata"];
  const places = folders.flatMap((folder) => names.map((name) => `${folder}/${name}`));
  const icons: number[] = [];
  for (const size of [64, 128]) {
    const path = `share/icons/hicolor/${size}x${size}/apps/${id}.png`;
    const icon = read(tree, [`export/${path}`, `files/${path}`], mostIcon);
    if (icon === undefined) continue;
    labels.set(`${prefix}icon-${size}`, `data:image/png;base64,${Buffer.from(icon).toString("base64")}`);
    icons.push(size);
  }
  const appdata = read(tree, places, mostAppdata);
  if (appdata === undefined) return labels;
  return labels.set(appdataLabel, collectionOf(Buffer.from(appdata).toString("utf8"), id, icons));
}
