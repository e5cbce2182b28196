// SPDX-License-Identifier: Apache-2.0
import { launchInside, placeInside } from "../../instances/inside.ts";
import { instanceFolders, listInstances } from "../../instances/list.ts";
import type { Instance } from "../../instances/types.ts";
import { accessOf, documentName, type StoredDocument } from "../../metadata/documents.ts";

/** What one sandbox shows of a document; without `source` it takes it away. */
export interface Shown {
  readonly id: string;
  readonly name: string;
  readonly source?: { readonly path: string; readonly access: "ro" | "rw" };
}

/** Lets one running sandbox follow. Answers what went wrong; empty where nothing did, or where it shows no documents at all. */
export async function showIn(running: Instance, { id, name, source }: Shown): Promise<string> {
  const place = placeInside(running);
  if (place === undefined) return "none of its processes is in the sandbox that it began with";
  return await launchInside("dowel-document", [
    ...place,
    id,
    name,
    ...(source === undefined ? [] : [source.access, source.path]),
  ]);
}

/** What runs of these apps. @param folder of all instances of the user */
export function instancesOf(folder: string, apps: ReadonlySet<string>): readonly Instance[] {
  return listInstances(instanceFolders(folder)).filter(({ application }) => apps.has(application));
}

/**
 * Lets what runs show a document as it is now, in all apps that have it or had it. Answers what went wrong, by instance.
 * @param after undefined where it is a document no longer
 */
export async function follow(
  folder: string,
  before: StoredDocument,
  after: StoredDocument | undefined,
): Promise<readonly { readonly instance: string; readonly reason: string }[]> {
  const failed: { instance: string; reason: string }[] = [];
  const apps = new Set([...before.apps.keys(), ...(after?.apps.keys() ?? [])]);
  for (const running of instancesOf(folder, apps)) {
    const access = after === undefined ? undefined : accessOf(after, running.application);
    const shown = { id: before.id, name: documentName(before) };
    const source = access === undefined ? {} : { source: { path: before.path, access } };
    const reason = await showIn(running, { ...shown, ...source });
    if (reason !== "") failed.push({ instance: running.instance, reason });
  }
  return failed;
}
