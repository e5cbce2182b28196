// SPDX-License-Identifier: Apache-2.0
import { compareBytes } from "../base/text.ts";
import { formatRef, type RefKind } from "../metadata/ref.ts";
import { currentRef, listDeployments, type OnDamaged } from "../store/deployments.ts";
import type { Installation } from "../store/installation.ts";
import type { Deployment } from "../store/types.ts";
import { describeDeployment } from "./describe.ts";
import { shownName } from "./places.ts";
import { needsOf } from "./resolve/needs.ts";

export interface ListFilter {
  readonly kind?: RefKind | undefined;
  readonly arch?: string | undefined;
  /** Only apps that run on this runtime: `ID`, or `ID/ARCH/BRANCH` with parts left out. */
  readonly runtime?: string | undefined;
}

/** One line of `list`, with every column that Flatpak has. */
export interface InstalledRow {
  readonly name: string;
  readonly description: string;
  /** The id. */
  readonly application: string;
  readonly version: string;
  readonly branch: string;
  readonly arch: string;
  /** `ID/ARCH/BRANCH`; empty for runtimes. */
  readonly runtime: string;
  readonly origin: string;
  /** `user`, `system`, or the name of another installation. */
  readonly installation: string;
  readonly ref: string;
  /** The commit that is deployed, and the one that was last seen at the origin; 64 hex digits. */
  readonly active: string;
  readonly latest: string;
  /** Bytes. */
  readonly size: number;
  /** Such as `system`, `current`, `runtime`. */
  readonly options: readonly string[];
}

function fitsRuntime(runtime: string, wanted: string): boolean {
  const have = runtime.split("/");
  return wanted
    .replace(/^runtime\//, "")
    .split("/")
    .every((part, at) => part === "" || part === have[at]);
}

function optionsOf(installation: Installation, { ref }: Deployment): readonly string[] {
  const options = [shownName(installation)];
  if (ref.kind === "runtime") return [...options, "runtime"];
  const current = currentRef(installation, ref.id);
  return current !== undefined && formatRef(current) === formatRef(ref) ? [...options, "current"] : options;
}

function rowOf(installation: Installation, deployment: Deployment, runtime: string): InstalledRow {
  const { ref, commit, origin, installedSize } = deployment;
  const { name = "", summary = "", version = "" } = describeDeployment(deployment);
  return {
    name: name === "" ? ref.id.slice(ref.id.lastIndexOf(".") + 1) : name,
    description: summary,
    application: ref.id,
    version,
    branch: ref.branch,
    arch: ref.arch,
    runtime,
    origin,
    installation: shownName(installation),
    ref: formatRef(ref),
    active: commit,
    latest: commit,
    size: installedSize,
    options: optionsOf(installation, deployment),
  };
}

/** What is installed, in the order of the ids, then of the installations. Takes no lock. What is damaged is left out. */
export function listInstalled(
  installations: readonly Installation[],
  filter: ListFilter = {},
  onDamaged?: OnDamaged,
): readonly InstalledRow[] {
  const rows = installations.flatMap((installation) =>
    listDeployments(installation, onDamaged).flatMap((deployment) => {
      const { kind, arch } = deployment.ref;
      if ((filter.kind ?? kind) !== kind || (filter.arch ?? arch) !== arch) return [];
      const needed = needsOf(deployment).runtime;
      const runtime = needed === undefined ? "" : `${needed.id}/${needed.arch}/${needed.branch}`;
      if (filter.runtime !== undefined && !fitsRuntime(runtime, filter.runtime)) return [];
      return [rowOf(installation, deployment, runtime)];
    }),
  );
  return rows.sort((left, right) => compareBytes(left.application, right.application));
}
