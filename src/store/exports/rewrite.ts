// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import type { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import type { Ref } from "../../metadata/ref.ts";
import { sandboxedCommand } from "./command.ts";

/** Whose files are exported. */
export interface Exporter {
  readonly ref: Ref;
  /** `tags` of the metadata. */
  readonly tags: readonly string[];
  /** Ids that the app had before, oldest first. */
  readonly previousIds: readonly string[];
  /** D-Bus names that the app exports services for. */
  readonly services: ReadonlySet<string>;
}

const mainGroup = "Desktop Entry";

/** A desktop entry whose commands run in the sandbox. Throws `EXPORT_INVALID` or `KEYFILE_SYNTAX`. */
export function rewriteDesktop(bytes: Uint8Array, file: string, name: string, exporter: Exporter): string {
  const { ref, tags, previousIds, services } = exporter;
  const keyfile = parseKeyfile(bytes, file);
  sandboxGroups(keyfile, file, ref, "dowel");
  if (keyfile.hasGroup(mainGroup)) {
    // Without a service of that name a desktop would wait for one in vain instead of running the command.
    if (keyfile.getBoolean(mainGroup, "DBusActivatable") === true && !services.has(name)) {
      keyfile.setBoolean(mainGroup, "DBusActivatable", false);
    }
    const renamed = keyfile.getList(mainGroup, "X-Flatpak-RenamedFrom") ?? [];
    const names = new Set([...renamed, ...previousIds.map((id) => `${id}.desktop`)]);
    if (names.size > renamed.length) keyfile.setList(mainGroup, "X-Flatpak-RenamedFrom", [...names]);
    setOnly(keyfile, mainGroup, "X-Flatpak", ref.id);
    if (tags.length > 0) keyfile.setList(mainGroup, "X-Flatpak-Tags", tags);
    if (keyfile.has(mainGroup, "X-KDE-PluginInfo-EnabledByDefault")) {
      keyfile.setBoolean(mainGroup, "X-KDE-PluginInfo-EnabledByDefault", false);
    }
  }
  return keyfile.toString();
}

/**
 * A D-Bus service file whose command runs in the sandbox; its name must be that of the file. Nothing else stays: units of
 * the host and users that a bus would start it as (`SystemdService`, `User`) are not for an app to name.
 */
export function rewriteService(bytes: Uint8Array, file: string, name: string, { ref }: Exporter): string {
  const keyfile = parseKeyfile(bytes, file);
  const found = keyfile.get("D-BUS Service", "Name");
  if (found !== name) {
    throw new DowelError("EXPORT_INVALID", `${file}: Name must be ${name}, like the file, not ${found ?? "missing"}`);
  }
  for (const group of keyfile.groups()) if (group !== "D-BUS Service") keyfile.removeGroup(group);
  for (const key of keyfile.keys("D-BUS Service")) {
    if (!["Name", "Exec", "X-Flatpak-RunOptions"].includes(key)) keyfile.remove("D-BUS Service", key);
  }
  setOnly(keyfile, "D-BUS Service", "Name", name);
  // A bus does not look for programs in PATH, so it is told of one that does.
  sandboxGroups(keyfile, file, ref, "/usr/bin/env", "dowel");
  return keyfile.toString();
}

/** A search provider that people have to switch on. */
export function rewriteSearchProvider(bytes: Uint8Array, file: string): string {
  const keyfile = parseKeyfile(bytes, file);
  keyfile.setBoolean("Shell Search Provider", "DefaultDisabled", true);
  return keyfile.toString();
}

function sandboxGroups(keyfile: Keyfile, file: string, ref: Ref, ...program: string[]): void {
  for (const group of keyfile.groups()) {
    const runOptions = keyfile.getList(group, "X-Flatpak-RunOptions") ?? [];
    const exec = keyfile.get(group, "Exec");
    for (const key of keyfile.keys(group)) if (isHostOnly(key)) keyfile.remove(group, key);
    keyfile.set(group, "Exec", sandboxedCommand({ program, ref, exec, runOptions, file }));
  }
}

/** Keys that would name a program of the host; translations of them too, which some readers honour. */
function isHostOnly(key: string): boolean {
  return /^(Exec|TryExec|X-GNOME-Bugzilla-ExtraInfoScript|X-Flatpak-RunOptions)(\[.*\])?$/.test(key);
}

/** Sets a key so that no reader finds another value, whichever of several lines it takes. */
function setOnly(keyfile: Keyfile, group: string, key: string, value: string): void {
  keyfile.remove(group, key);
  keyfile.set(group, key, value);
}
