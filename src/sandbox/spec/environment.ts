// SPDX-License-Identifier: Apache-2.0
import type { Permissions } from "../../metadata/permissions/model.ts";
import type { Host } from "../probe/host.ts";

/** Variables of the caller that would point into the host or steer loaders (flatpak-run(1)). */
const alwaysUnset = [
  ..."LD_LIBRARY_PATH LD_PRELOAD LD_AUDIT TEMP TEMPDIR TMP TMPDIR XDG_RUNTIME_DIR container TZDIR".split(" "),
  ..."PYTHONPATH PYTHONPYCACHEPREFIX PERLLIB PERL5LIB XCURSOR_PATH KRB5CCNAME XKB_CONFIG_ROOT".split(" "),
  ..."GST_PLUGIN_PATH GST_PLUGIN_PATH_1_0 GST_REGISTRY GST_REGISTRY_1_0 GST_PLUGIN_SYSTEM_PATH".split(" "),
  ..."GST_PLUGIN_SYSTEM_PATH_1_0 GST_PLUGIN_SCANNER GST_PLUGIN_SCANNER_1_0 GST_PRESET_PATH".split(" "),
  ..."GST_PTP_HELPER GST_PTP_HELPER_1_0 GST_INSTALL_PLUGINS_HELPER GIO_EXTRA_MODULES GDK_BACKEND".split(" "),
  ..."VK_ADD_DRIVER_FILES VK_ADD_LAYER_PATH VK_DRIVER_FILES VK_ICD_FILENAMES VK_LAYER_PATH".split(" "),
  ..."__EGL_EXTERNAL_PLATFORM_CONFIG_DIRS __EGL_EXTERNAL_PLATFORM_CONFIG_FILENAMES".split(" "),
  ..."__EGL_VENDOR_LIBRARY_DIRS __EGL_VENDOR_LIBRARY_FILENAMES".split(" "),
  ..."BUN_OPTIONS BUN_BE_BUN".split(" "),
];

const always: Readonly<Record<string, string>> = {
  PATH: "/app/bin:/usr/bin",
  XDG_CONFIG_DIRS: "/app/etc/xdg:/etc/xdg",
  XDG_DATA_DIRS: "/app/share:/usr/share",
  SHELL: "/bin/sh",
};

/** Gathers what is set and taken out; a later word on a variable replaces an earlier one. */
export class EnvironmentBuilder {
  readonly #values = new Map<string, string | undefined>();

  constructor(libraryPath: string | undefined) {
    for (const name of alwaysUnset) this.unset(name);
    for (const [name, value] of Object.entries(always)) this.set(name, value);
    if (libraryPath !== undefined) this.set("LD_LIBRARY_PATH", libraryPath);
  }

  set(name: string, value: string): void {
    this.#values.set(name, value);
  }

  unset(name: string): void {
    this.#values.set(name, undefined);
  }

  /** What metadata, overrides and the command line say. */
  apply(permissions: Permissions): void {
    for (const [name, value] of permissions.environment) this.#values.set(name, value);
  }

  result(clear: boolean): { clear: boolean; set: Record<string, string>; unset: string[] } {
    const set: Record<string, string> = {};
    const unset: string[] = [];
    for (const [name, value] of [...this.#values].sort(([left], [right]) => (left < right ? -1 : 1))) {
      if (value === undefined) unset.push(name);
      else set[name] = value;
    }
    return { clear, set, unset };
  }
}

/** The variables that tell an app where its own folders are. */
export function addAppVariables(
  environment: EnvironmentBuilder,
  host: Host,
  id: string,
  dataFolder: string | undefined,
): void {
  environment.set("FLATPAK_ID", id);
  if (host.variable("PS1") === undefined) environment.set("PS1", "[📦 $FLATPAK_ID \\W]\\$ ");
  if (dataFolder === undefined) return;
  const folders = { DATA: "data", CONFIG: "config", CACHE: "cache", STATE: ".local/state" };
  for (const [name, folder] of Object.entries(folders)) {
    const variable = `XDG_${name}_HOME`;
    const onHost = host.variable(variable);
    if (onHost !== undefined) environment.set(`HOST_${variable}`, onHost);
    environment.set(variable, `${dataFolder}/${folder}`);
  }
  environment.set("FLATPAK_SANDBOX_DIR", `${dataFolder}/sandbox`);
}
