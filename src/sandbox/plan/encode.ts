// SPDX-License-Identifier: Apache-2.0
import { compareBytes } from "../../base/text.ts";
import { checkPlan } from "./check.ts";
import { writeExtras } from "./extras.ts";
import { bindFlags, headerOffsets, layout, mountKinds, observationKinds, planBuses, planFlags } from "./layout.ts";
import type { EnvironmentPlan, MountOperation, Observation, Plan } from "./types.ts";
import { PlanWriter, type Section, writeWords } from "./writer.ts";

function writeRecords<T>(
  writer: PlanWriter,
  size: number,
  values: readonly T[],
  write: (offset: number, value: T) => void,
): Section {
  const offset = writer.reserve(values.length * size);
  for (const [index, value] of values.entries()) write(offset + index * size, value);
  return { offset, count: values.length };
}

function writeObservation(writer: PlanWriter, offset: number, observation: Observation): void {
  if (observation.kind === "variable") {
    const { name, value } = observation;
    writer.setU32(offset, value === undefined ? observationKinds.noVariable : observationKinds.variable);
    writer.setString(offset + 4, name);
    if (value !== undefined) writer.setString(offset + 8, value);
    return;
  }
  writer.setU32(offset, observationKinds[observation.kind]);
  writer.setString(offset + 4, observation.path);
  if (observation.kind === "absent") return;
  writer.setU32(offset + 12, observation.type);
  writer.setU64(offset + 16, observation.device);
  writer.setU64(offset + 24, observation.inode);
  if (observation.kind === "inode") return;
  writer.setU64(offset + 32, observation.size);
  writer.setU64(offset + 40, observation.mtime);
  writer.setU64(offset + 48, observation.ctime);
}

function bindFlagsOf(bind: Extract<MountOperation, { kind: "bind" }>): number {
  return (
    (bind.readOnly ? bindFlags.readOnly : 0) |
    (bind.recursive ? bindFlags.recursive : 0) |
    (bind.devices ? bindFlags.devices : 0) |
    (bind.noSymlinks ? bindFlags.noSymlinks : 0) |
    (bind.optional ? bindFlags.optional : 0) |
    (bind.wayland === true ? bindFlags.wayland : 0)
  );
}

function writeMount(writer: PlanWriter, offset: number, operation: MountOperation): void {
  writer.setU32(offset, mountKinds[operation.kind]);
  writer.setString(offset + 8, operation.target);
  if (operation.kind === "bind") {
    writer.setU32(offset + 4, bindFlagsOf(operation));
    writer.setString(offset + 12, operation.source);
  }
  if (operation.kind === "symlink") writer.setString(offset + 12, operation.to);
  if ("mode" in operation) writer.setU32(offset + 16, operation.mode);
  if (operation.kind === "file") {
    writer.setU32(offset + 20, writer.append(operation.data));
    writer.setU32(offset + 24, operation.data.length);
  }
  if (operation.kind === "bus") writer.setU32(offset + 20, planBuses.indexOf(operation.bus));
  if (operation.kind === "tmpfs") writer.setU64(offset + 32, BigInt(operation.size));
}

/** Sorted by name, each name once: the launcher looks names up by halving. */
function environmentWords(environment: EnvironmentPlan): { set: string[]; unset: string[] } {
  const set = [...new Map(environment.set)].sort(([left], [right]) => compareBytes(left, right));
  const unset = [...new Set(environment.unset)].sort(compareBytes);
  return { set: set.map(([name, value]) => `${name}=${value}`), unset };
}

function flagsOf(plan: Plan): number {
  return (
    (plan.namespaces.network ? planFlags.network : 0) |
    (plan.namespaces.ipc ? planFlags.ipc : 0) |
    (plan.environment.clear ? planFlags.clearEnvironment : 0) |
    (plan.dieWithParent ? planFlags.dieWithParent : 0) |
    (plan.cgroup?.required === true ? planFlags.cgroupRequired : 0) |
    (plan.nested !== undefined ? planFlags.nested : 0) |
    (plan.session?.log === true ? planFlags.busLog : 0)
  );
}

function writeHeader(writer: PlanWriter, plan: Plan, sections: readonly Section[]): void {
  const magic = Buffer.from(layout.magic, "latin1");
  writer.setU32(0, magic.readUInt32LE(0));
  writer.setU32(4, magic.readUInt32LE(4));
  writer.setU32(8, layout.version);
  writer.setU32(12, writer.length);
  writer.setU32(16, flagsOf(plan));
  for (const [index, section] of sections.entries()) writer.setSection(headerOffsets.sections + index * 8, section);
}

/**
 * Encodes a plan for the launcher. Equal plans give equal bytes.
 * Throws `PLAN_INVALID` for a path that is not absolute and normal, for an operation in the wrong place, and past the
 * limits that launcher/plan.h names. Of several values for one variable the last one counts, and setting a variable
 * wins over unsetting it.
 */
export function encodePlan(plan: Plan): Uint8Array {
  checkPlan(plan);
  const writer = new PlanWriter();
  writer.reserve(layout.headerBytes);
  const { set, unset } = environmentWords(plan.environment);
  const sections = [
    writeWords(writer, plan.key),
    writeRecords(writer, layout.observationBytes, plan.record, (at, one) => writeObservation(writer, at, one)),
    writeWords(writer, plan.lowers),
    writeRecords(writer, layout.mountBytes, plan.mounts, (at, one) => writeMount(writer, at, one)),
    writeWords(writer, set),
    writeWords(writer, unset),
    writeWords(writer, plan.command),
    { offset: writer.append(plan.seccomp), count: plan.seccomp.length / layout.instructionBytes },
  ];
  const held = writeWords(writer, plan.held);
  writeExtras(writer, plan);
  if (plan.hostname !== undefined) writer.setString(headerOffsets.hostname, plan.hostname);
  if (plan.cwd !== undefined) writer.setString(headerOffsets.cwd, plan.cwd);
  const strings = writer.writeStrings();
  writeHeader(writer, plan, [...sections, strings, held]);
  return writer.finish();
}
