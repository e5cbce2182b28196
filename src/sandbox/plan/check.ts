// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { layout, planLimits } from "./layout.ts";
import type {
  CgroupPlan,
  InstancePlan,
  LandlockPlan,
  MountOperation,
  NamespaceBounds,
  Observation,
  Plan,
  SessionPlan,
} from "./types.ts";

function refuse(message: string): never {
  throw new DowelError("PLAN_INVALID", message);
}

function checkCount(what: string, count: number, min: number, max: number): void {
  if (count < min || count > max) refuse(`A plan has ${count} ${what}; from ${min} to ${max} are possible`);
}

function isNormalPath(path: string, rootAllowed: boolean): boolean {
  if (path === "/") return rootAllowed;
  if (!path.startsWith("/") || Buffer.byteLength(path) > planLimits.pathBytes) return false;
  const names = path.slice(1).split("/");
  return names.every(
    (name) => name !== "" && name !== "." && name !== ".." && Buffer.byteLength(name) <= planLimits.nameBytes,
  );
}

function checkPath(what: string, path: string, rootAllowed = true): void {
  if (!isNormalPath(path, rootAllowed)) {
    refuse(`${what} must be an absolute path without empty parts, "." and "..": ${JSON.stringify(path)}`);
  }
}

function isCovered(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function isMount(operation: MountOperation): boolean {
  return ["bind", "tmpfs", "proc", "dev"].includes(operation.kind);
}

/** The last earlier operation of a kind that decides what can be done at `path`. */
function covering(earlier: readonly MountOperation[], path: string, seals: boolean): MountOperation | undefined {
  return earlier.findLast((one) => (isMount(one) || (seals && one.kind === "seal")) && isCovered(one.target, path));
}

function checkCreation(earlier: readonly MountOperation[], operation: MountOperation, made = operation.target): void {
  const cover = covering(earlier, made, true);
  const possible = (cover?.kind === "tmpfs" || cover?.kind === "dev") && cover.target !== made;
  if (!possible)
    refuse(`A ${operation.kind} can only be made inside an unsealed tmpfs of the plan: ${operation.target}`);
}

function checkSeal(earlier: readonly MountOperation[], operation: MountOperation): void {
  const cover = covering(earlier, operation.target, false);
  const certain = cover?.kind !== "bind" || !cover.optional;
  if (cover?.target !== operation.target || !certain) {
    refuse(`A seal must be on a mount that the plan surely makes: ${operation.target}`);
  }
}

function checkHasInstance(plan: Plan, operation: MountOperation): void {
  if (plan.instance === undefined) refuse(`Only a plan with an instance can show it: ${operation.target}`);
}

function checkMode(operation: MountOperation, mode: number, max: number): void {
  if (!Number.isInteger(mode) || mode < 0 || mode > max) refuse(`A mode is out of range: ${operation.target}`);
}

function checkMount(plan: Plan, operation: MountOperation, index: number): void {
  checkPath("A target", operation.target, false);
  const earlier = plan.mounts.slice(0, index);
  switch (operation.kind) {
    case "bind":
      checkPath("The source of a bind", operation.source);
      return;
    case "tmpfs":
      if (!Number.isSafeInteger(operation.size) || operation.size < 0) {
        refuse(`The size of a tmpfs must be a whole number of bytes: ${operation.target}`);
      }
      checkMode(operation, operation.mode, 0o1777);
      return;
    case "directory":
      checkMode(operation, operation.mode, 0o1777);
      checkCreation(earlier, operation);
      return;
    case "file":
      checkMode(operation, operation.mode, 0o777);
      checkCreation(earlier, operation);
      return;
    case "symlink":
      if (operation.to === "" || Buffer.byteLength(operation.to) > planLimits.pathBytes) {
        refuse(`A symbolic link must lead somewhere: ${operation.target}`);
      }
      checkCreation(earlier, operation);
      return;
    case "seal":
      checkSeal(earlier, operation);
      return;
    case "instance":
      checkCreation(earlier, operation, `${operation.target}/0`);
      checkHasInstance(plan, operation);
      return;
    case "info":
      checkHasInstance(plan, operation);
      return;
    case "bus":
      if (plan.session?.buses[operation.bus] === undefined) refuse(`The plan has no such bus: ${operation.target}`);
      return;
    case "proc":
    case "dev":
      return;
  }
}

/** Characters that a name of a file may have where the launcher puts it below a folder. */
const simpleName = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}$/;

function checkInstance({ folder, counter, id, ref, image, info }: InstancePlan): void {
  checkPath("The folder of instances", folder, false);
  checkPath("The counter of instances", counter, false);
  if (!simpleName.test(id)) refuse(`An instance must be of an app with an id: ${JSON.stringify(id)}`);
  for (const text of [ref, image]) {
    if (Buffer.byteLength(text) > planLimits.textBytes) refuse("The ref or the image of an instance is too long");
  }
  for (const text of info) {
    if (Buffer.byteLength(text) > planLimits.infoBytes) refuse("The text about an instance is too long");
  }
}

function checkCgroup({ mount, settings }: CgroupPlan): void {
  checkPath("The mount point of control groups", mount, false);
  checkCount("settings of its control group", settings.length, 0, planLimits.settings);
  for (const [file, value] of settings) {
    const fits = Buffer.byteLength(`${file}=${value}`) <= planLimits.textBytes;
    if (!/^[a-z]+\.[a-z0-9_.]+$/.test(file) || file.length > planLimits.nameBytes || value === "" || !fits) {
      refuse(`A setting of a control group must be FILE=VALUE: ${JSON.stringify(`${file}=${value}`)}`);
    }
  }
}

function checkLandlock({ handled, scopes, rules }: LandlockPlan): void {
  checkCount("Landlock rules", rules.length, 0, planLimits.rules);
  if (!Number.isSafeInteger(handled) || handled < 0 || scopes < 0 || scopes > 3) refuse("Landlock rights are unknown");
  for (const { path, access } of rules) {
    checkPath("The path of a Landlock rule", path);
    const within = Number.isSafeInteger(access) && access > 0 && (BigInt(access) & ~BigInt(handled)) === 0n;
    if (!within) refuse(`A Landlock rule can only give rights that are handled: ${path}`);
  }
}

function checkSession({ instance }: Plan, { socket, buses, policy }: SessionPlan): void {
  if (instance === undefined) refuse("A bus needs an instance");
  checkPath("The socket of the session service", socket, false);
  for (const path of Object.values(buses)) checkPath("The socket of a bus", path, false);
  if (policy.some((word) => word.includes("\0"))) refuse("A word of a bus policy holds NUL");
  if (Buffer.byteLength(policy.join("\0")) >= planLimits.infoBytes) refuse("The bus policy of a plan is too long");
}

function checkBounds(bounds: NamespaceBounds): void {
  for (const count of Object.values(bounds)) checkCount("namespaces", count, 0, planLimits.namespaces);
}

function checkExtras(plan: Plan): void {
  if (plan.instance !== undefined) checkInstance(plan.instance);
  if (plan.cgroup !== undefined) checkCgroup(plan.cgroup);
  if (plan.cgroup !== undefined && plan.instance === undefined) refuse("A control group needs an instance");
  if (plan.session !== undefined) checkSession(plan, plan.session);
  if (plan.landlock !== undefined) checkLandlock(plan.landlock);
  if (plan.nested !== undefined) checkBounds(plan.nested);
}

function checkName(name: string): void {
  if (name === "" || name.includes("=")) refuse(`The name of a variable is malformed: ${JSON.stringify(name)}`);
}

function checkObservation(observation: Observation): void {
  if (observation.kind === "variable") checkName(observation.name);
  else checkPath("An observed path", observation.path);
}

function checkHostname(hostname: string): void {
  const bytes = Buffer.byteLength(hostname);
  if (bytes < 1 || bytes > planLimits.hostnameBytes) {
    refuse(`A host name has 1 to ${planLimits.hostnameBytes} bytes: ${JSON.stringify(hostname)}`);
  }
}

/** The same rules as plan_parse in launcher/plan.c, with messages that name the path. Throws `PLAN_INVALID`. */
export function checkPlan(plan: Plan): void {
  checkCount("key words", plan.key.length, 0, planLimits.words);
  checkCount("words in its command", plan.command.length, 1, planLimits.words);
  if (plan.command[0] === "") refuse("The command of a plan is empty");
  checkCount("observations", plan.record.length, 0, planLimits.observations);
  checkCount("folders for its root", plan.lowers.length, planLimits.lowersMin, planLimits.lowers);
  checkCount("held folders", plan.held.length, 0, planLimits.held);
  checkCount("mount operations", plan.mounts.length, 0, planLimits.mounts);
  checkCount("binds", plan.mounts.filter((one) => one.kind === "bind").length, 0, planLimits.binds);
  checkCount("variables", plan.environment.set.length, 0, planLimits.variables);
  checkCount("variables to unset", plan.environment.unset.length, 0, planLimits.variables);
  checkCount("filter instructions", plan.seccomp.length / layout.instructionBytes, 0, planLimits.instructions);
  if (plan.seccomp.length % layout.instructionBytes !== 0) refuse("A filter instruction has 8 bytes");
  for (const lower of plan.lowers) checkPath("A folder of the root", lower);
  for (const folder of plan.held) checkPath("A held folder", folder);
  for (const [index, operation] of plan.mounts.entries()) checkMount(plan, operation, index);
  for (const observation of plan.record) checkObservation(observation);
  for (const [name] of plan.environment.set) checkName(name);
  for (const name of plan.environment.unset) checkName(name);
  if (plan.hostname !== undefined) checkHostname(plan.hostname);
  if (plan.cwd !== undefined) checkPath("The working folder", plan.cwd);
  checkExtras(plan);
}
