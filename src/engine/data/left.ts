// SPDX-License-Identifier: Apache-2.0
import { listDeployments } from "../../store/deployments.ts";
import type { Installation } from "../../store/installation.ts";
import { forgetLibrary } from "../library/change.ts";
import { type DataSet, eraseSet, listSets } from "./sets.ts";

/** The data of apps that no installation has, nor a successor of theirs. */
export function leftData(installations: readonly Installation[]): readonly DataSet[] {
  const deployments = installations.flatMap((installation) => listDeployments(installation));
  const known = new Set(deployments.flatMap(({ ref, previousIds = [] }) => [ref.id, ...previousIds]));
  return listSets().filter(({ id }) => !known.has(id));
}

/** Removes such data, and with them the list of folders that were picked. */
export function eraseLeft(set: DataSet): void {
  eraseSet(set);
  forgetLibrary(set.name);
}
