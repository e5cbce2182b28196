// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { formatRef, type RefKind } from "../metadata/ref.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import { listDependents } from "./dependents.ts";
import { findAllInstalled } from "./find.ts";
import { type Dependent, planUninstall, unusedRuntimes } from "./planuninstall.ts";
import type { Plan } from "./types.ts";

export interface UninstallOptions {
  readonly arch?: string | undefined;
  readonly kind?: RefKind | undefined;
  /** Everything. */
  readonly all?: boolean;
  /** Runtimes that no app uses. */
  readonly unused?: boolean;
  /** Remove runtimes that apps still use. */
  readonly forceRemove?: boolean;
  /** Remove what the apps kept in `~/.var/app`, too. */
  readonly deleteData?: boolean;
  /** All installations, whose apps may need a runtime of this one. */
  readonly installations?: readonly Installation[];
}

function namedOnes(target: Installation, names: readonly string[], options: UninstallOptions): readonly Deployment[] {
  return names.flatMap((name) => {
    const found = findAllInstalled(target, name, options);
    if (found.length < 2) return found;
    throw new DowelError(
      "REF_AMBIGUOUS",
      `${name} fits several installed refs: ${found.map(({ ref }) => formatRef(ref)).join(", ")}`,
      { hint: "Name one of them in full." },
    );
  });
}

function wantedOnes(
  target: Installation,
  names: readonly string[],
  installed: readonly Dependent[],
  options: UninstallOptions,
): readonly Deployment[] {
  const fits = ({ ref }: Deployment): boolean =>
    (options.kind === undefined || ref.kind === options.kind) &&
    (options.arch === undefined || ref.arch === options.arch);
  if (options.all === true) {
    return installed.flatMap(({ installation, deployment }) =>
      installation === target.name && fits(deployment) ? [deployment] : [],
    );
  }
  if (options.unused === true) return unusedRuntimes(target.name, installed).filter(fits);
  if (names.length === 0) {
    throw new DowelError("USAGE", "Name what to uninstall, or use --all or --unused");
  }
  return namedOnes(target, names, options);
}

/**
 * Plans the removal of refs from one installation. Throws `NOT_INSTALLED`, `REF_AMBIGUOUS` and `RUNTIME_USED`;
 * nothing has changed then.
 */
export function prepareUninstall(target: Installation, names: readonly string[], options: UninstallOptions = {}): Plan {
  const others = (options.installations ?? []).filter(({ path }) => path !== target.path);
  const installed = listDependents([target, ...others]);
  const wanted = [...new Set(wantedOnes(target, names, installed, options))];
  return planUninstall({
    target: target.name,
    wanted,
    installed,
    forceRemove: options.forceRemove ?? false,
    deleteData: options.deleteData ?? false,
  });
}
