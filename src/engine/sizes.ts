// SPDX-License-Identifier: Apache-2.0
import type { Ref } from "../metadata/ref.ts";
import { formatRef } from "../metadata/ref.ts";
import { refsOf } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import { type RefSize, Sizes } from "../store/sizes.ts";
import { type FindOptions, findInstalled } from "./find.ts";
import { shownName } from "./places.ts";

/** What removing each installed ref would free, in bytes, by the shown name of its installation, a space, and the ref. */
export function uniqueSizes(installations: readonly Installation[]): ReadonlyMap<string, number> {
  const result = new Map<string, number>();
  for (const installation of installations) {
    const sizes = new Sizes(installation);
    const prefix = shownName(installation);
    for (const ref of refsOf(installation)) result.set(`${prefix} ${formatRef(ref)}`, sizes.of(ref).unique);
  }
  return result;
}

/** What something installed really costs: all versions of it that are kept. Throws `NOT_INSTALLED`, `REF_AMBIGUOUS`. */
export function sizeOf(
  installations: readonly Installation[],
  name: string,
  options: FindOptions = {},
): RefSize & { readonly ref: Ref; readonly installation: string } {
  const { installation, deployment } = findInstalled(installations, name, options);
  const { ref } = deployment;
  return { ref, installation: shownName(installation), ...new Sizes(installation).of(ref) };
}
