// SPDX-License-Identifier: Apache-2.0
import { splitSignature } from "./signature.ts";
import type { Variant } from "./types.ts";

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n").replaceAll("\t", "\\t")}'`;
}

function formatEntries(type: string, value: unknown): string {
  const [key = "", entry = ""] = splitSignature(type.slice(2, -1));
  const pairs = [...(value as ReadonlyMap<unknown, unknown>)].map(
    ([name, one]) => `${formatTyped(key, name)}: ${formatTyped(entry, one)}`,
  );
  return `{${pairs.join(", ")}}`;
}

function formatStruct(type: string, value: unknown): string {
  const members = splitSignature(type.slice(1, -1));
  const texts = members.map((member, index) => formatTyped(member, (value as readonly unknown[])[index]));
  return texts.length === 1 ? `(${texts[0]},)` : `(${texts.join(", ")})`;
}

function formatByte(value: unknown): string {
  return `0x${Number(value).toString(16).padStart(2, "0")}`;
}

function formatTyped(type: string, value: unknown): string {
  switch (type.charAt(0)) {
    case "s":
    case "o":
    case "g":
      return quoted(String(value));
    case "y":
      return formatByte(value);
    case "v":
      return `<${formatVariant(value as Variant)}>`;
    case "(":
      return formatStruct(type, value);
    case "a":
      if (type.startsWith("a{")) return formatEntries(type, value);
      return `[${[...(value as Iterable<unknown>)].map((one) => formatTyped(type.slice(1), one)).join(", ")}]`;
    default:
      return String(value);
  }
}

/** A variant's value as a text for people, much as GLib prints values without their types. */
export function formatVariant({ signature, value }: Variant): string {
  return formatTyped(signature, value);
}
