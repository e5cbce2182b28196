// SPDX-License-Identifier: Apache-2.0
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { launchInside, placeInside } from "../../instances/inside.ts";
import { instanceFolders, listInstances } from "../../instances/list.ts";
import type { Instance } from "../../instances/types.ts";
import { dataName } from "../../metadata/profile.ts";
import type { FoundFolder } from "./folders.ts";

/** What became of running instances. */
export interface Followed {
  /** Those that have it as it should be. */
  readonly instances: readonly string[];
  readonly failed: readonly { readonly instance: string; readonly reason: string }[];
}

/** What an instance is to show under a name; undefined: nothing. */
export type Shown = Pick<FoundFolder, "path" | "access" | "device"> | undefined;

const helper = "dowel-library";

async function followIn(instance: Instance, name: string, shown: Shown): Promise<string> {
  const place = placeInside(instance);
  if (place === undefined) return "none of its processes is in the sandbox that it began with";
  if (shown === undefined) return await launchInside(helper, [...place, name]);
  const device = shown.device === undefined ? [] : [String(shown.device)];
  return await launchInside(helper, [...place, name, shown.access, shown.path, ...device]);
}

function nameOf({ application, profile }: Instance): string {
  return dataName(application, profile === "" ? undefined : profile);
}

/** Instances that show the folders of an app: not those that ran without its permissions. */
function isOf(instance: Instance, name: string): boolean {
  if (nameOf(instance) !== name) return false;
  return parseKeyfile(instance.info, `${instance.folder}/info`).getBoolean("Instance", "sandbox") !== true;
}

/** Apps of which something runs, as `ID` or `ID@PROFILE`. @param folder of all instances of the user */
export function runningNames(folder: string): ReadonlySet<string> {
  return new Set(listInstances(instanceFolders(folder)).map(nameOf));
}

/**
 * Lets the instances that run show a folder, or nothing, under a name.
 *
 * @param folder of all instances of the user
 * @param app `ID` or `ID@PROFILE`
 */
export async function follow(folder: string, app: string, name: string, shown: Shown): Promise<Followed> {
  const running = listInstances(instanceFolders(folder)).filter((instance) => isOf(instance, app));
  const outcomes = running.map(async (instance) => {
    const reason = await followIn(instance, name, shown);
    return { instance: instance.instance, reason };
  });
  const done = await Promise.all(outcomes);
  return {
    instances: done.filter(({ reason }) => reason === "").map(({ instance }) => instance),
    failed: done.filter(({ reason }) => reason !== ""),
  };
}
