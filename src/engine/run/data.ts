// SPDX-License-Identifier: Apache-2.0
import { constants, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DowelError, errnoOf, fileError } from "../../base/errors.ts";
import type { Specification } from "../../sandbox/spec/types.ts";
import { Descriptor, makeFoldersBeneath } from "../../sys/beneath.ts";

function makeEntry(home: Descriptor, path: string, kind: "directory" | "file"): void {
  const folder = kind === "directory" ? path : dirname(path);
  using made = makeFoldersBeneath(home, folder.split("/"), 0o755);
  if (kind === "directory") return;
  const name = path.slice(folder.length + 1);
  Descriptor.beneath(made, name, constants.O_RDONLY | constants.O_CREAT | constants.O_NONBLOCK, 0o644)[
    Symbol.dispose
  ]();
}

/**
 * Makes folders and empty files below the home, never through a link: what lies there is the app's to change. Paths are
 * relative to the home. Throws `HOST_PATH_UNSAFE` where a link or something else is in the way.
 */
export function makeBelowHome(
  home: string,
  entries: readonly { readonly path: string; readonly kind: "directory" | "file" }[],
): void {
  using root = openHome(home);
  for (const { path, kind } of entries) {
    try {
      makeEntry(root, path, kind);
    } catch (error) {
      const errno = errnoOf(error) ?? "";
      if (!["ELOOP", "ENOTDIR", "EXDEV", "EISDIR", "ENXIO"].includes(errno)) {
        throw fileError(error, "create", `${home}/${path}`);
      }
      throw new DowelError("HOST_PATH_UNSAFE", `${home}/${path} leads through a link, or is not a ${kind}`, {
        hint: "The app could have put it there. Replace it by a real one, or remove it.",
        cause: error,
      });
    }
  }
}

function openHome(home: string): Descriptor {
  try {
    return Descriptor.open(home, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw fileError(error, "open the home", home);
  }
}

/** Makes the host folders that `:create` asks for; answers whether there were any. */
export function makeWanted(specification: Specification): boolean {
  for (const path of specification.create) {
    try {
      mkdirSync(path, { recursive: true, mode: 0o755 });
    } catch (error) {
      throw fileError(error, "create", path);
    }
  }
  return specification.create.length > 0;
}

/** Makes the app's own part of the caller's runtime folder, where there is one. */
export function makeRuntimeFolder(session: string | undefined, id: string): void {
  if (!session?.startsWith("/")) return;
  const path = `${session}/app/${id}`;
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileError(error, "create", path);
  }
}
