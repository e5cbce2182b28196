// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../base/arch.ts";
import { isDowelError } from "../base/errors.ts";
import { type Report, silent } from "../base/events.ts";
import { updateAppstream } from "../remotes/appstream/update.ts";
import { getRemote, listRemotes } from "../remotes/config.ts";
import type { Installation } from "../store/installation.ts";
import { isWritable } from "./places.ts";

export interface AppstreamRequest {
  /** Name of the one remote; undefined for all that are enabled. */
  readonly remote: string | undefined;
  readonly arch: string | undefined;
  readonly report?: Report | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes the AppStream data of remotes for software centres. Of several remotes one that does not answer is reported
 * and left out; installations that the caller cannot change are passed over. Throws `REMOTE_NOT_FOUND`, and for a
 * remote that was named what its registry throws.
 */
export async function refreshAppstream(
  installations: readonly Installation[],
  { remote: name, arch = hostArch(), report = silent, signal }: AppstreamRequest,
): Promise<void> {
  const having = installations.filter(
    (installation) => name === undefined || listRemotes(installation).some((remote) => remote.name === name),
  );
  const [first] = installations;
  if (name !== undefined && having.length === 0 && first !== undefined) getRemote(first, name);
  for (const installation of having.filter(({ path }) => isWritable(path))) {
    const remotes = listRemotes(installation).filter((remote) =>
      name === undefined ? !remote.disabled : remote.name === name,
    );
    for (const remote of remotes) {
      try {
        const count = await updateAppstream(remote, { folder: installation.path, arch, report, signal });
        report({ type: "note", text: `AppStream data of ${remote.name}: ${count} apps` });
      } catch (error) {
        if (name !== undefined || !isDowelError(error) || error.code === "ABORTED") throw error;
        report({ type: "warning", text: error.message });
      }
    }
  }
}
