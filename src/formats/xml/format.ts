// SPDX-License-Identifier: Apache-2.0
import type { XmlElement } from "./parse.ts";

const references: Readonly<Record<string, string>> = { "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;" };

function escapeText(text: string): string {
  return text.replace(/[<>&"]/g, (character) => references[character] ?? "");
}

/** An element as XML text. */
export function formatXml({ name, attributes, children }: XmlElement): string {
  const listed = [...attributes]
    .map(([key, value]) => ` ${key}="${escapeText(value).replace(/[\t\n\r]/g, " ")}"`)
    .join("");
  if (children.length === 0) return `<${name}${listed}/>`;
  const body = children.map((child) => (typeof child === "string" ? escapeText(child) : formatXml(child))).join("");
  return `<${name}${listed}>${body}</${name}>`;
}
