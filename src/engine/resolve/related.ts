// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { type ExtensionPoint, readExtensionPoints } from "../../metadata/extensions.ts";
import { formatRef, type Ref } from "../../metadata/ref.ts";

/** An extension of an app or runtime, and the point where it goes. */
export interface Extension {
  readonly ref: Ref;
  readonly point: ExtensionPoint;
}

function pointsOf(metadata: string): readonly ExtensionPoint[] {
  if (!metadata.includes("[Extension ")) return [];
  try {
    return readExtensionPoints(parseKeyfile(metadata, "metadata"));
  } catch (error) {
    if (isDowelError(error)) return [];
    throw error;
  }
}

function fits(point: ExtensionPoint, owner: Ref, { kind, id, arch, branch }: Ref): boolean {
  if (kind !== "runtime" || arch !== owner.arch) return false;
  if (id !== point.name && !(point.subdirectories && id.startsWith(`${point.name}.`))) return false;
  return point.versions.length === 0 ? branch === owner.branch : point.versions.includes(branch);
}

/**
 * Of some refs those that go to an extension point of an app or runtime, each once. Metadata that cannot be read have no
 * extension points.
 */
export function extensionsOf(owner: Ref, metadata: string, refs: Iterable<Ref>): readonly Extension[] {
  const points = pointsOf(metadata);
  if (points.length === 0) return [];
  const found = new Map<string, Extension>();
  for (const ref of refs) {
    const point = points.find((candidate) => fits(candidate, owner, ref));
    if (point !== undefined) found.set(formatRef(ref), { ref, point });
  }
  return [...found.values()];
}

export interface WantedContext {
  readonly holds: (reasons: readonly string[], id: string) => boolean;
  readonly installed: readonly Ref[];
  readonly includeDebug: boolean;
}

/** Whether an extension comes with what it extends, without being asked for. */
export function isWanted({ ref, point }: Extension, { holds, installed, includeDebug }: WantedContext): boolean {
  const isHere = installed.some(({ id, arch }) => id === ref.id && arch === ref.arch);
  if (isHere) return true;
  if (ref.id.endsWith(".Debug")) return includeDebug;
  return point.downloadIf.length > 0 ? holds(point.downloadIf, ref.id) : !point.noAutodownload;
}

/** Whether an extension goes when what it extends goes. */
export function goesWithParent({ ref, point }: Extension): boolean {
  return point.autodelete || point.localeSubset || /\.(Locale|Debug)$/.test(ref.id);
}
