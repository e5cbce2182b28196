// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import { encodeUtf8 } from "../base/text.ts";
import type { ServedSocket } from "../metadata/permissions/names.ts";
import { planBuses } from "./plan/layout.ts";
import type { CgroupPlan, InstancePlan, MountOperation, Observation, Plan, SessionPlan } from "./plan/types.ts";
import { buildFilter } from "./seccomp/filter.ts";
import { busOptionsOf } from "./spec/bus-options.ts";
import type { Specification, SpecificationMount } from "./spec/types.ts";

function toOperation(mount: SpecificationMount, layer: string): MountOperation {
  if (mount.kind === "tmpfs") return { ...mount, size: 0 };
  if (mount.kind === "file") {
    return { kind: "file", target: mount.target, mode: 0o644, data: encodeUtf8(mount.text) };
  }
  if (mount.kind !== "bind") return mount;
  return {
    kind: "bind",
    source: mount.fromLayer === true ? layer + mount.source : mount.source,
    target: mount.target,
    readOnly: mount.access === "ro",
    recursive: true,
    devices: mount.devices === true,
    noSymlinks: mount.distrusted === true,
    optional: mount.optional === true,
    wayland: mount.wayland === true,
  };
}

export interface PlanContext {
  /** Folder of the configuration layer (`storeLayer`). */
  readonly layer: string;
  /** The words that a warm start compares; empty for a plan that is not kept. */
  readonly key: readonly string[];
  readonly record: readonly Observation[];
  /** `run` and the words up to the app's name, where they say all: what the app may do on the buses can be made anew of them. */
  readonly startedBy?: readonly string[] | undefined;
}

function instanceOf({ instance, identity }: Specification): InstancePlan | undefined {
  return instance && { ...instance, id: identity.id, ref: identity.ref, image: identity.commit };
}

function isSound(socket: ServedSocket): socket is "pulse" | "pipewire" {
  return socket === "pulse" || socket === "pipewire";
}

function sessionOf({ session, buses, identity }: Specification, startedBy: readonly string[]): SessionPlan | undefined {
  if (session === undefined) return undefined;
  const served = planBuses.filter((bus) => session.buses[bus] !== undefined);
  const policy = [
    identity.id,
    ...served.flatMap((bus) => [bus, ...(isSound(bus) ? [] : busOptionsOf(bus, buses[bus]))]),
    ...startedBy,
  ];
  return { ...session, policy, log: served.some((bus) => !isSound(bus) && buses[bus].log) };
}

/** Throws `SANDBOX_FAILED` where the sandbox cannot do without a group and there can be none. */
function cgroupOf({ cgroup }: Specification): CgroupPlan | undefined {
  if (cgroup === undefined) return undefined;
  const { mount, required, settings } = cgroup;
  if (mount !== undefined) return { mount, required, settings };
  if (!required && settings.length === 0) return undefined;
  throw new DowelError("SANDBOX_FAILED", "There is no cgroup2 below /sys/fs/cgroup for the sandbox's control group", {
    hint: "Mount it, or give up the sandbox's identity and limits with --no-require-cgroup.",
  });
}

/** Turns a specification into what the launcher carries out. */
export function planFromSpecification(specification: Specification, context: PlanContext): Plan {
  const { environment, shared, sharedFolder } = specification;
  return {
    key: context.key,
    record: context.record,
    namespaces: { network: !shared.network, ipc: !shared.ipc },
    hostname: undefined,
    lowers: [context.layer, ...specification.lowers],
    held: [context.layer, ...(sharedFolder === undefined ? [] : [sharedFolder])],
    mounts: specification.mounts.map((mount) => toOperation(mount, context.layer)),
    environment: { clear: environment.clear, set: Object.entries(environment.set), unset: environment.unset },
    seccomp: buildFilter(specification.seccomp),
    cwd: specification.cwd,
    command: specification.command,
    dieWithParent: specification.dieWithParent,
    instance: instanceOf(specification),
    session: sessionOf(specification, context.startedBy ?? []),
    cgroup: cgroupOf(specification),
    nested: specification.nested,
    landlock: specification.landlock,
  };
}
