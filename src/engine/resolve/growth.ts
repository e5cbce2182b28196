// SPDX-License-Identifier: Apache-2.0
import { isDowelError } from "../../base/errors.ts";
import { parseMetadata } from "../../metadata/metadata.ts";
import { addedPermissions } from "../../metadata/permissions/growth.ts";

/** Metadata of an app that may do nothing. */
const nothing = "[Application]\nname=org.example.Nothing\nruntime=org.example.Nothing/any/any\n";

/**
 * What metadata let an app do that earlier ones did not, as options; all that they allow, where there are no earlier ones.
 * Empty where one of them cannot be read: such an app does not run either.
 */
export function growthOf(before: string | undefined, after: string): readonly string[] {
  try {
    return addedPermissions(parseMetadata(before ?? nothing).permissions, parseMetadata(after).permissions);
  } catch (error) {
    if (isDowelError(error)) return [];
    throw error;
  }
}
