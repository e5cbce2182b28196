// SPDX-License-Identifier: Apache-2.0
import { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { writePermissions } from "../../metadata/permissions/codec.ts";
import type { Conditions, Grants } from "../../metadata/permissions/grant.ts";
import { isGranted } from "../../metadata/permissions/grant.ts";
import type { Permissions } from "../../metadata/permissions/model.ts";
import { formatRef } from "../../metadata/ref.ts";
import { flatpakVersion } from "../../metadata/required.ts";
import { describeExtensions } from "./extensions.ts";
import type { Replacement, SpecificationInput } from "./types.ts";

/** Grants as they came out: no denials, no conditions. */
function flattenGrants(grants: Grants, conditions: Conditions): Grants {
  const given = [...grants.keys()].filter((name) => isGranted(grants, name, conditions));
  return new Map(given.map((name) => [name, { allowed: true, reset: true, conditions: [] }]));
}

/** Permissions as they came out for one start: no denials, no conditions, no marks for lower layers. */
export function flattenPermissions(permissions: Permissions, conditions: Conditions): Permissions {
  return {
    ...permissions,
    shared: flattenGrants(permissions.shared, conditions),
    sockets: flattenGrants(permissions.sockets, conditions),
    devices: flattenGrants(permissions.devices, conditions),
    features: flattenGrants(permissions.features, conditions),
    filesystemsReset: false,
  };
}

function setPath(keyfile: Keyfile, key: string, own: string, other: Replacement | undefined): void {
  keyfile.set("Instance", key, other === undefined ? own : (other.path ?? ""));
  if (other !== undefined) keyfile.set("Instance", `original-${key}`, own);
}

/** Where the instance's number belongs; what apps say of themselves comes later in the text, so the first one counts. */
const noNumber = "\ninstance-id=";

function newInfo({ app, runtime }: Pick<SpecificationInput, "app" | "runtime">): Keyfile {
  const keyfile = new Keyfile();
  const group = app === undefined ? "Runtime" : "Application";
  keyfile.set(group, "name", (app ?? runtime).ref.id);
  keyfile.set(group, "runtime", formatRef(runtime.ref));
  return keyfile;
}

/** The beginning of the text of `/.flatpak-info`: whose sandbox it is. */
export function formatName(input: Pick<SpecificationInput, "app" | "runtime">): string {
  return newInfo(input).toString();
}

/**
 * The text of `/.flatpak-info`, which tells apps and portals what the sandbox is, before and after the instance's
 * number. `path` is the app's own folder.
 */
export function formatInfo(
  { app, runtime, extensions, options }: Pick<SpecificationInput, "app" | "runtime" | "extensions" | "options">,
  permissions: Permissions,
  path: string | undefined,
  marks: { readonly devel: boolean; readonly sandbox: boolean },
): readonly [before: string, after: string] {
  const keyfile = newInfo({ app, runtime });
  const main = app ?? runtime;
  keyfile.set("Instance", "instance-id", "");
  if (path !== undefined) keyfile.set("Instance", "instance-path", path);
  if (app !== undefined) {
    setPath(keyfile, "app-path", `${app.lower}/app`, options.app);
    keyfile.set("Instance", "app-commit", app.commit);
    if (extensions.app.length > 0) keyfile.set("Instance", "app-extensions", describeExtensions(extensions.app));
  }
  setPath(keyfile, "runtime-path", `${runtime.lower}/usr`, options.usr);
  keyfile.set("Instance", "runtime-commit", runtime.commit);
  if (extensions.runtime.length > 0) {
    keyfile.set("Instance", "runtime-extensions", describeExtensions(extensions.runtime));
  }
  keyfile.set("Instance", "branch", main.ref.branch);
  keyfile.set("Instance", "arch", main.ref.arch);
  keyfile.set("Instance", "flatpak-version", flatpakVersion);
  if (options.profile !== undefined) keyfile.set("Instance", "profile", options.profile);
  const words = options.permissionWords ?? [];
  if (words.length > 0) keyfile.setList("Instance", "extra-args", words);
  for (const [name, value] of Object.entries(marks)) if (value) keyfile.setBoolean("Instance", name, true);
  writePermissions(keyfile, permissions);
  const text = keyfile.toString();
  const at = text.indexOf(noNumber) + noNumber.length;
  return [text.slice(0, at), text.slice(at)];
}
