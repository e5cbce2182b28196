// SPDX-License-Identifier: Apache-2.0
import { libraryPath, libraryShelf, parseLibrary } from "../../metadata/library.ts";
import { dataName } from "../../metadata/profile.ts";
import { userPlace } from "../../store/places.ts";
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import { resolveHostPath } from "./resolve.ts";
import type { SpecificationInput } from "./types.ts";

/** The folders that the user picked for the app, and the place for those that are picked while it runs. */
export function addLibrary(root: RootBuilder, host: Host, { app, options }: SpecificationInput): void {
  if (app === undefined || options.sandboxed) return;
  root.tmpfs(libraryShelf, 0o700);
  const variables = ["HOME", "XDG_DATA_HOME", "DOWEL_USER_DIR"].map((name) => [name, host.variable(name)] as const);
  const name = dataName(app.ref.id, options.profile);
  const path = libraryPath(userPlace(Object.fromEntries(variables)).path, name);
  const text = host.read(path);
  for (const folder of text === undefined ? [] : parseLibrary(text, path)) {
    // The user picked a folder, and no place that a link leads to by now.
    const found = resolveHostPath(host, folder.path);
    if (found?.path !== folder.path || found.type !== "directory") continue;
    if (folder.medium !== undefined && host.medium(folder.path) !== folder.medium) continue;
    const options = { optional: true, distrusted: true, access: folder.access } as const;
    root.bind(folder.path, `${libraryShelf}/${folder.name}`, options);
  }
  // Nobody inside makes names where others are to appear.
  root.seal(libraryShelf);
}
