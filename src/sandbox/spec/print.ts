// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { compareBytes } from "../../base/text.ts";
import type { LayerEntry, Specification } from "./types.ts";

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(
    entries.sort(([left], [right]) => compareBytes(left, right)).map(([name, item]) => [name, sorted(item)]),
  );
}

function withoutSecret(entry: LayerEntry): unknown {
  if (entry.kind !== "data") return entry;
  const { kind, path, base64 } = entry;
  return { kind, path, sha256: createHash("sha256").update(base64, "base64").digest("hex") };
}

/** A specification for printing: names sorted, nothing undefined, secrets by their digest. Equal sandboxes print equally. */
export function printableSpecification(specification: Specification): unknown {
  return sorted({ ...specification, layer: specification.layer.map(withoutSecret) });
}
