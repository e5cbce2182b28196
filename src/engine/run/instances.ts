// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { DowelError } from "../../base/errors.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { endInstance, findInstances, sweepInstances } from "../../instances/end.ts";
import { launcherPath } from "../../instances/launcher.ts";
import { instanceFolders, listInstances } from "../../instances/list.ts";
import { appOf, openParent, type ParentNamespace } from "../../instances/parent.ts";
import type { Instance, Usage } from "../../instances/types.ts";
import { withUsage } from "../../instances/usage.ts";
import { encodePlan, type Plan } from "../../sandbox/plan/index.ts";
import { runFolderPath, sessionFolder } from "../../sandbox/run-folder.ts";
import { buildFilter } from "../../sandbox/seccomp/filter.ts";
import type { Specification } from "../../sandbox/spec/types.ts";
import { createSealedFile, replaceProcess } from "../../sys/process.ts";

/** The folder of all of the caller's instances; the launcher gets the same by the specification. */
export function instancesFolder(): string {
  const uid = process.geteuid?.() ?? 0;
  return `${sessionFolder(uid) ?? runFolderPath(uid)}/.flatpak`;
}

/** What runs and what it uses; takes away what killed monitors left. */
export function runningInstances(): (Instance & Usage)[] {
  const folders = instanceFolders(instancesFolder());
  sweepInstances(folders);
  return withUsage(listInstances(folders));
}

/** The namespace of the running sandbox that a start asks to join. Throws `PARENT_INVALID` and `INSTANCE_NOT_FOUND`. */
export function findParent({
  parent,
  identity,
}: Pick<Specification, "parent" | "identity">): ParentNamespace | undefined {
  return parent && openParent(instancesFolder(), parent, identity.id);
}

/** Ends the instances that a number or an app's id means; answers those. Throws `INSTANCE_NOT_FOUND`. */
export function killInstances(word: string): Instance[] {
  return findInstances(instancesFolder(), word).filter(endInstance);
}

/** Nothing is bounded anew; that there are bounds says that namespaces are allowed. */
const boundedAlready = { user: 0, pid: 0, mount: 0, ipc: 0, uts: 0, network: 0, cgroup: 0, time: 0 };

function rulesOf({ info, folder }: Instance): Pick<Plan, "seccomp" | "nested"> {
  const keyfile = parseKeyfile(info, `${folder}/info`);
  const features = keyfile.getList("Context", "features") ?? [];
  const has = (name: string) => features.includes(name);
  const variant = {
    arch: keyfile.get("Instance", "arch") ?? "",
    devel: keyfile.get("Instance", "devel") === "true" || has("devel"),
    multiarch: has("multiarch"),
    bluetooth: has("bluetooth"),
    canbus: has("canbus"),
    userns: has("userns"),
  };
  return { seccomp: buildFilter(variant), nested: variant.userns ? boundedAlready : undefined };
}

function environmentOf(pid: number): [string, string][] {
  const items = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  return items.flatMap((item): [string, string][] => {
    const equals = item.indexOf("=");
    return equals > 0 ? [[item.slice(0, equals), item.slice(equals + 1)]] : [];
  });
}

/** Where the app is, if that can still be entered. */
function folderOf(pid: number): string | undefined {
  try {
    const path = readlinkSync(`/proc/${pid}/cwd`);
    return path.startsWith("/") && statSync(`/proc/${pid}/root${path}`).isDirectory() ? path : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Becomes a command in the sandbox of a running instance: its namespaces, control group, filter, environment and
 * folder. Returns only by throwing `INSTANCE_NOT_FOUND`, `REF_AMBIGUOUS` or `SANDBOX_FAILED`.
 */
export function enterInstance(word: string, command: readonly string[]): never {
  const [instance, second] = findInstances(instancesFolder(), word);
  if (instance === undefined || second !== undefined) {
    throw new DowelError("REF_AMBIGUOUS", `${word} runs several times`, { hint: "Give a number of: dowel ps" });
  }
  const app = appOf(instance);
  const bytes = encodePlan({
    key: [],
    record: [],
    namespaces: { network: false, ipc: false },
    hostname: undefined,
    lowers: ["/", "/"],
    held: [],
    mounts: [],
    environment: { clear: true, set: environmentOf(app), unset: [] },
    ...rulesOf(instance),
    cwd: folderOf(app),
    command,
    dieWithParent: false,
  });
  const plan = createSealedFile("plan", bytes);
  const group = instance.cgroup === undefined ? [] : [`--group=${instance.cgroup}`];
  const words = ["dowel-launch", `--enter=${app}`, ...group, String(plan)];
  try {
    replaceProcess(launcherPath(), words, process.env, [plan]);
  } catch (cause) {
    throw new DowelError("SANDBOX_FAILED", `Cannot start the launcher ${launcherPath()}`, { cause });
  }
}
