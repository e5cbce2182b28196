// SPDX-License-Identifier: Apache-2.0
import { closeSync, fstatSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { DowelError } from "../base/errors.ts";
import { instanceFolders, listInstances, notedNamespace } from "./list.ts";
import type { Instance } from "./types.ts";

/** The pid namespace of a running sandbox that a new one joins, or makes its own below. */
export interface ParentNamespace {
  /** Open descriptor of the namespace (ioctl_ns(2)); the caller closes it. */
  readonly fd: number;
  /** Whether the new sandbox has no pid namespace of its own. */
  readonly shared: boolean;
}

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

/** The first process of an instance that is not the init: the app. Throws `INSTANCE_NOT_FOUND`. */
export function appOf({ childPid, application }: Instance): number {
  const [first = ""] = attempt(() => readFileSync(`/proc/${childPid}/task/${childPid}/children`, "utf8")).split(" ");
  if (first !== "") return Number(first);
  throw new DowelError("INSTANCE_NOT_FOUND", `${application} has no process to share a sandbox with`, {
    hint: "See what runs with: dowel ps",
  });
}

/** The instance that a process belongs to: as its monitor, by its control group, or by its pid namespace. */
function instanceOf(folder: string, pid: number): Instance | undefined {
  const instances = listInstances(instanceFolders(folder));
  const [, number] =
    /\/dowel-([0-9]+)(?:\/.*)?$/m.exec(attempt(() => readFileSync(`/proc/${pid}/cgroup`, "utf8"))) ?? [];
  const own = instances.find((one) => one.pid === pid || one.childPid === pid || one.instance === number);
  if (own !== undefined) return own;
  const namespace = attempt(() => readlinkSync(`/proc/${pid}/ns/pid`));
  return instances.find((one) => namespace === `pid:[${notedNamespace(one.folder, "pid")}]`);
}

/**
 * Opens the pid namespace of the sandbox that a process runs in, for a new one of the same app. Only sandboxes that Dowel
 * has started can be joined: of others it is not known what they may. Throws `PARENT_INVALID` and `INSTANCE_NOT_FOUND`.
 */
export function openParent(
  folder: string,
  parent: { readonly pid: number; readonly pids: "own" | "exposed" | "shared" },
  application: string,
): ParentNamespace | undefined {
  const refuse = (what: string): DowelError =>
    new DowelError("PARENT_INVALID", `--parent-pid=${parent.pid}: ${what}`, { hint: "See what runs with: dowel ps" });
  const instance = instanceOf(folder, parent.pid);
  if (instance === undefined) throw refuse("the process is in no running sandbox of this user");
  if (instance.application !== application) throw refuse(`it belongs to ${instance.application}, not ${application}`);
  // The link ends with ` (deleted)` once the program has been replaced by a newer one.
  const program = basename(attempt(() => readlinkSync(`/proc/${instance.pid}/exe`)));
  if (program.split(" ", 1)[0] !== "dowel") throw refuse("another program than Dowel has started its sandbox");
  if (parent.pids === "own") return undefined;
  const fd = openSync(`/proc/${appOf(instance)}/ns/pid`, "r");
  // The number may have come to mean another process meanwhile.
  if (fstatSync(fd).ino === notedNamespace(instance.folder, "pid")) return { fd, shared: parent.pids === "shared" };
  closeSync(fd);
  throw refuse("its sandbox has ended");
}
