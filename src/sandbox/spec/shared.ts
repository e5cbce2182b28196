// SPDX-License-Identifier: Apache-2.0
import { dataName } from "../../metadata/profile.ts";
import type { Host } from "../probe/host.ts";
import { appFolderOf } from "../run-folder.ts";
import type { RootBuilder } from "./builder.ts";
import { resolveHostPath } from "./resolve.ts";
import type { SpecificationInput } from "./types.ts";

/** The folder on the host that all running instances of an app share; undefined where there is none. */
export function sharedFolderOf({ app, options, runFolder }: SpecificationInput): string | undefined {
  return app === undefined || options.sandboxed
    ? undefined
    : appFolderOf(runFolder, dataName(app.ref.id, options.profile));
}

/** `/dev/shm` shared by the instances of one app, and by nobody else. */
export function addSharedMemory(root: RootBuilder, host: Host, shared: string | undefined): void {
  if (shared === undefined) return;
  host.lookAt(`${shared}/shm`);
  root.bind(`${shared}/shm`, "/dev/shm", { access: "rw" });
}

/** The app's own part of the caller's runtime folder, which it shares with portals and helpers of the session. */
export function addSessionFolders(root: RootBuilder, host: Host, input: SpecificationInput): void {
  const { app, options, session } = input;
  if (app === undefined) return;
  const { id } = app.ref;
  const runtimeFolder = `/run/user/${host.identity.uid}`;
  const target = `/run/flatpak/app/${id}`;
  const folder =
    options.sandboxed || session === undefined
      ? undefined
      : resolveHostPath(host, `${session}/app/${dataName(id, options.profile)}`);
  if (folder?.type === "directory") root.bind(folder.path, target, { access: "rw", distrusted: true });
  else root.tmpfs(target, 0o700);
  root.symlink(`${runtimeFolder}/app`, "../../flatpak/app");
}
