// SPDX-License-Identifier: Apache-2.0
import { formatXml } from "../../formats/xml/format.ts";
import { parseXml, type XmlElement, type XmlNode } from "../../formats/xml/parse.ts";
import { formatRef } from "../../metadata/ref.ts";
import type { RemoteRef } from "../types.ts";

/** Sizes of the icons that software centres look for, in pixels. */
export type IconSize = 64 | 128;

function element(name: string, attributes: Readonly<Record<string, string>>, text: string): XmlElement {
  return { name, attributes: new Map(Object.entries(attributes)), children: [text] };
}

function isElement(node: XmlNode, name: string): node is XmlElement {
  return typeof node !== "string" && node.name === name;
}

function idOf(component: XmlElement): string {
  const id = component.children.find((child) => isElement(child, "id"));
  return id === undefined || typeof id === "string"
    ? ""
    : id.children
        .filter((child) => typeof child === "string")
        .join("")
        .trim();
}

/** The components of a document, be it of one app or a collection. */
function componentsOf(root: XmlElement): readonly XmlElement[] {
  if (root.name === "component") return [root];
  return root.name === "components" ? root.children.filter((child) => isElement(child, "component")) : [];
}

function bundleOf({ ref, runtime, metadata }: RemoteRef): XmlElement {
  const sdk = /^sdk=(\S+)$/m.exec(metadata)?.[1];
  const needed = runtime === undefined ? {} : { runtime: formatRef(runtime).replace(/^runtime\//, "") };
  return element("bundle", { type: "flatpak", ...needed, ...(sdk === undefined ? {} : { sdk }) }, formatRef(ref));
}

/**
 * The component of an app in a catalog (AppStream specification, "Catalog Metadata"): its own data, with the bundle that
 * installs it and with cached icons. Only a component with the app's own id is taken, so that no app can speak for
 * another. Undefined where there is none. Throws `XML_INVALID` where the data are malformed.
 */
export function composeComponent(image: RemoteRef, appdata: string, icons: readonly IconSize[]): string | undefined {
  const { id } = image.ref;
  const root = parseXml(appdata, `AppStream data of ${formatRef(image.ref)}`);
  const component = componentsOf(root).find((one) => [id, `${id}.desktop`].includes(idOf(one)));
  if (component === undefined) return undefined;
  const own = component.children.filter(
    (child) => !isElement(child, "bundle") && !(isElement(child, "icon") && child.attributes.get("type") !== "remote"),
  );
  const cached = icons.map((size) =>
    element("icon", { type: "cached", width: `${size}`, height: `${size}` }, `${id}.png`),
  );
  return formatXml({ ...component, children: [...own, ...cached, bundleOf(image)] });
}

/** A whole catalog. */
export function composeCatalog(origin: string, components: readonly string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<components version="0.8" origin="${origin}">\n${components.join("\n")}\n</components>\n`;
}
