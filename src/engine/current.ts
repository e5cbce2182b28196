// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { formatRef, type Ref } from "../metadata/ref.ts";
import { chooseCurrent } from "../store/deploy/current.ts";
import type { Installation } from "../store/installation.ts";
import type { WaitOptions } from "../store/locks.ts";
import { findInstalled } from "./find.ts";

/**
 * Makes a branch of an app the one that is exported and that runs where none is named. Throws `NOT_INSTALLED`,
 * `REF_AMBIGUOUS` and `USAGE`.
 */
export async function makeCurrent(
  installation: Installation,
  id: string,
  selection: { readonly branch: string | undefined; readonly arch: string | undefined },
  options: WaitOptions = {},
): Promise<Ref> {
  const name = selection.branch === undefined ? id : `${id}//${selection.branch}`;
  const { deployment } = findInstalled([installation], name, { arch: selection.arch, kind: "app" });
  const { ref } = deployment;
  if (ref.kind !== "app") throw new DowelError("USAGE", `${formatRef(ref)} is no app`);
  await chooseCurrent(installation, deployment, options);
  return ref;
}
