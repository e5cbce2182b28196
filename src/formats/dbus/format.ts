// SPDX-License-Identifier: Apache-2.0
import { splitSignature } from "./signature.ts";
import type { Variant } from "./types.ts";

/** Words before a value whose type could not be told from its text. */
const typeWords: Readonly<Record<string, string>> = {
  y: "byte ",
  n: "int16 ",
  q: "uint16 ",
  u: "uint32 ",
  h: "handle ",
  x: "int64 ",
  t: "uint64 ",
  o: "objectpath ",
  g: "signature ",
};

function quoted(text: string): string {
  const quote = text.includes("'") ? '"' : "'";
  const escaped = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t");
  return `${quote}${quote === '"' ? escaped.replaceAll('"', '\\"') : escaped}${quote}`;
}

function formatBasic(type: string, value: unknown): string {
  switch (type) {
    case "s":
    case "o":
    case "g":
      return quoted(String(value));
    case "y":
      return `0x${Number(value).toString(16).padStart(2, "0")}`;
    case "d":
      return Number.isInteger(value) ? `${value}.0` : String(value);
    default:
      return String(value);
  }
}

function formatEntries(type: string, value: unknown, typed: boolean): string {
  const [key = "", entry = ""] = splitSignature(type.slice(2, -1));
  const pairs = [...(value as ReadonlyMap<unknown, unknown>)].map(
    ([name, one], index) =>
      `${formatValue(key, name, typed && index === 0)}: ${formatValue(entry, one, typed && index === 0)}`,
  );
  return pairs.length === 0 && typed ? `@${type} {}` : `{${pairs.join(", ")}}`;
}

function formatArray(type: string, value: unknown, typed: boolean): string {
  const all = [...(value as Iterable<unknown>)];
  if (all.length === 0 && typed) return `@${type} []`;
  return `[${all.map((one, index) => formatValue(type.slice(1), one, typed && index === 0)).join(", ")}]`;
}

function formatStruct(type: string, value: unknown, typed: boolean): string {
  const members = splitSignature(type.slice(1, -1));
  const texts = members.map((member, index) => formatValue(member, (value as readonly unknown[])[index], typed));
  return texts.length === 1 ? `(${texts[0]},)` : `(${texts.join(", ")})`;
}

/** @param typed whether the text must tell the type; of the members of an array the first one does */
function formatValue(type: string, value: unknown, typed: boolean): string {
  if (type === "v") {
    const { signature, value: inner } = value as Variant;
    return `<${formatValue(signature, inner, true)}>`;
  }
  if (type.startsWith("(")) return formatStruct(type, value, typed);
  if (type.startsWith("a{")) return formatEntries(type, value, typed);
  if (type.startsWith("a")) return formatArray(type, value, typed);
  return `${typed ? (typeWords[type] ?? "") : ""}${formatBasic(type, value)}`;
}

/** A variant's value as a text for people, as GLib prints it: its own type is left out, those of variants in it are told. */
export function formatVariant({ signature, value }: Variant): string {
  return formatValue(signature, value, false);
}
