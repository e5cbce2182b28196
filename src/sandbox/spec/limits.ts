// SPDX-License-Identifier: Apache-2.0
import { type LimitName, type Limits, limitNumber } from "../../metadata/permissions/limits.ts";
import type { Host } from "../probe/host.ts";
import type { Specification } from "./types.ts";

type Settings = NonNullable<Specification["cgroup"]>["settings"];

/** Microseconds in which a share of the processors is counted. */
const cpuPeriod = 100_000;

/** Whole disks as `MAJOR:MINOR`: what has a device behind it, so no loop devices, memory or mappings. */
function disks(host: Host): string[] {
  const names = host.list("/sys/block").filter((name) => host.lookAt(`/sys/block/${name}/device`) !== undefined);
  return names.map((name) => host.read(`/sys/block/${name}/dev`)?.trim()).filter((device) => device !== undefined);
}

const writers: Readonly<Record<LimitName, (number: number, host: Host) => Settings>> = {
  memory: (bytes) => [["memory.max", String(bytes)]],
  swap: (bytes) => [["memory.swap.max", String(bytes)]],
  cpu: (percent) => [["cpu.max", `${(percent * cpuPeriod) / 100} ${cpuPeriod}`]],
  tasks: (count) => [["pids.max", String(count)]],
  io: (rate, host) => disks(host).map((disk) => ["io.max", `${disk} rbps=${rate} wbps=${rate}`]),
};

/** Limits as the files of a control group have them (the kernel's cgroup-v2 page), sorted by name. */
export function limitSettings(limits: Limits, host: Host): Settings {
  return [...limits]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([name, value]) => {
      const number = limitNumber(name, value);
      return number === undefined ? [] : writers[name](number, host);
    });
}

/** Where cgroup2 is mounted: alone, or beside the older groups; undefined where it is not. */
export function cgroupMount(host: Host): string | undefined {
  const places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
  return places.find((place) => host.lookAt(`${place}/cgroup.controllers`) !== undefined);
}
