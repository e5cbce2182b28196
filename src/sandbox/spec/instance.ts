// SPDX-License-Identifier: Apache-2.0
import type { Permissions } from "../../metadata/permissions/model.ts";
import type { NamespaceBounds } from "../plan/types.ts";
import type { Host } from "../probe/host.ts";
import type { RootBuilder } from "./builder.ts";
import { formatInfo, formatName } from "./info.ts";
import { cgroupMount, limitSettings } from "./limits.ts";
import type { CgroupSpecification, InstanceSpecification, SpecificationInput } from "./types.ts";

/** Enough for a browser's own sandboxes with bubblewrap or Dowel inside; few ways into the kernel's rarer parts. */
export const nestedBounds: NamespaceBounds = {
  user: 32,
  pid: 64,
  mount: 64,
  ipc: 64,
  uts: 64,
  network: 32,
  cgroup: 16,
  time: 0,
};

/**
 * The sandbox's `/.flatpak-info`, and what shows that it runs. Below the mount lies a file that
 * says no more than whose sandbox it is: what a portal finds where the mounts are gone already.
 */
export function addInstance(
  root: RootBuilder,
  input: SpecificationInput,
  permissions: Permissions,
  options: {
    readonly uid: number;
    readonly dataFolder: string | undefined;
    readonly devel: boolean;
    readonly sandbox: boolean;
  },
): InstanceSpecification {
  const { uid, dataFolder, ...marks } = options;
  root.file("/.flatpak-info", formatName(input));
  root.instance("info", "/.flatpak-info");
  root.symlink(`/run/user/${uid}/flatpak-info`, "../../../.flatpak-info");
  root.tmpfs("/run/flatpak/.flatpak", 0o755);
  root.instance("instance", "/run/flatpak/.flatpak");
  root.seal("/run/flatpak/.flatpak");
  root.symlink(`/run/user/${uid}/.flatpak`, "../../flatpak/.flatpak");
  return {
    folder: `${input.session ?? input.runFolder}/.flatpak`,
    counter: `${input.runFolder}/instances`,
    info: formatInfo(input, permissions, dataFolder, marks),
  };
}

/** The sandbox's own control group and its limits. `DOWEL_REQUIRE_CGROUP=no` is `--no-require-cgroup` for all starts. */
export function describeCgroup(
  host: Host,
  { options }: SpecificationInput,
  { limits }: Permissions,
): CgroupSpecification {
  const everywhere = host.variable("DOWEL_REQUIRE_CGROUP") !== "no";
  return {
    mount: cgroupMount(host),
    required: options.requireCgroup !== false && everywhere,
    settings: limitSettings(limits, host),
  };
}
