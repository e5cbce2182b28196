// SPDX-License-Identifier: Apache-2.0
import { accessSync, closeSync, constants, readFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { checkCancelled } from "../base/errors.ts";
import { writeValues } from "../formats/dbus/encode.ts";
import { messageFlag, messageType } from "../formats/dbus/header.ts";
import { SaslClient } from "../formats/dbus/sasl.ts";
import { variant } from "../formats/dbus/types.ts";
import { encodeMessage, ValueWriter } from "../formats/dbus/write.ts";
import { connectUnix } from "../sys/sockets.ts";

const waitMilliseconds = 5000;
const pollMilliseconds = 5;

/** Path of this process's group below the mount of cgroup2; undefined where it has none that can be seen. */
function ownGroup(): string | undefined {
  const [, path] = /^0::(\/.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8")) ?? [];
  return path?.startsWith("/..") === true ? undefined : path;
}

/** Whether the caller may make control groups where it is. */
export function canMakeGroups(mount: string): boolean {
  const own = ownGroup();
  if (own === undefined) return false;
  try {
    accessSync(mount + own, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** systemd's names: what is neither a letter, a digit, nor one of `:_.` as its code. */
function escapeName(text: string): string {
  return text.replace(/[^A-Za-z0-9:_.]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** The call of systemd's manager that puts a process into a scope of its own, which it may divide further. */
function startScopeMessage(unit: string, pid: number): Uint8Array {
  const signature = "ssa(sv)a(sa(sv))";
  const properties = [
    ["PIDs", variant("au", [pid])],
    ["Slice", variant("s", "app.slice")],
    ["Delegate", variant("b", true)],
    ["CollectMode", variant("s", "inactive-or-failed")],
  ];
  const body = writeValues(new ValueWriter(true), signature, [unit, "fail", properties, []], []).finish();
  return encodeMessage({
    type: messageType.call,
    flags: messageFlag.noReplyExpected,
    serial: 1,
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
    member: "StartTransientUnit",
    destination: "org.freedesktop.systemd1",
    signature,
    body: (writer) => writer.bytes(body),
  });
}

/**
 * Asks the user's systemd for a scope for this process, in which the launcher can make the sandbox's group. Answers
 * whether it came, within some seconds; not where the caller has no such systemd.
 */
export async function joinScope(session: string, application: string, signal?: AbortSignal): Promise<boolean> {
  const unit = `app-dowel-${escapeName(application)}-${process.pid}.scope`;
  let fd: number;
  try {
    fd = connectUnix({ path: `${session}/systemd/private` });
  } catch {
    return false;
  }
  try {
    const opening = SaslClient.opening(process.geteuid?.() ?? 0);
    for (const bytes of [opening, startScopeMessage(unit, process.pid)]) writeSync(fd, bytes);
    const until = performance.now() + waitMilliseconds;
    while (performance.now() < until) {
      checkCancelled(signal);
      if (ownGroup()?.endsWith(`/${unit}`) === true) return true;
      await sleep(pollMilliseconds);
    }
    return false;
  } finally {
    closeSync(fd);
  }
}
