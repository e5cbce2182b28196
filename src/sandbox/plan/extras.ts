// SPDX-License-Identifier: Apache-2.0
import { encodeUtf8 } from "../../base/text.ts";
import { headerOffsets, layout, namespaceKinds, planBuses } from "./layout.ts";
import type { CgroupPlan, InstancePlan, LandlockPlan, NamespaceBounds, Plan, SessionPlan } from "./types.ts";
import { type PlanWriter, writeWords } from "./writer.ts";

function writeInstance(writer: PlanWriter, { folder, counter, id, ref, image, info }: InstancePlan): void {
  for (const [index, text] of [folder, counter, id, ref, image].entries()) {
    writer.setString(headerOffsets.instance + index * 4, text);
  }
  for (const [index, text] of info.entries()) {
    const bytes = encodeUtf8(text);
    writer.setSection(headerOffsets.instanceInfo + index * 8, { offset: writer.append(bytes), count: bytes.length });
  }
}

function writeCgroup(writer: PlanWriter, { mount, settings }: CgroupPlan): void {
  writer.setString(headerOffsets.cgroup, mount);
  const words = settings.map(([file, value]) => `${file}=${value}`);
  writer.setSection(headerOffsets.settings, writeWords(writer, words));
}

function writeLandlock(writer: PlanWriter, { handled, scopes, rules }: LandlockPlan): void {
  const offset = writer.reserve(rules.length * layout.ruleBytes);
  for (const [index, { path, access }] of rules.entries()) {
    writer.setString(offset + index * layout.ruleBytes, path);
    writer.setU64(offset + index * layout.ruleBytes + 8, BigInt(access));
  }
  writer.setSection(headerOffsets.rules, { offset, count: rules.length });
  writer.setU64(headerOffsets.handled, BigInt(handled));
  writer.setU32(headerOffsets.scopes, scopes);
}

function writeSession(writer: PlanWriter, { socket, buses, policy }: SessionPlan): void {
  writer.setString(headerOffsets.session, socket);
  for (const [index, bus] of planBuses.entries()) {
    const path = buses[bus];
    if (path !== undefined) writer.setString(headerOffsets.session + 4 + index * 4, path);
  }
  const bytes = encodeUtf8(policy.map((word) => `${word}\0`).join(""));
  writer.setSection(headerOffsets.sessionPolicy, { offset: writer.append(bytes), count: bytes.length });
}

function writeBounds(writer: PlanWriter, bounds: NamespaceBounds): void {
  for (const [index, kind] of namespaceKinds.entries()) writer.setU32(headerOffsets.bounds + index * 4, bounds[kind]);
}

/** Writes what not every plan has: instance, buses, control group, nested namespaces, Landlock. */
export function writeExtras(writer: PlanWriter, plan: Plan): void {
  if (plan.instance !== undefined) writeInstance(writer, plan.instance);
  if (plan.session !== undefined) writeSession(writer, plan.session);
  if (plan.cgroup !== undefined) writeCgroup(writer, plan.cgroup);
  if (plan.landlock !== undefined) writeLandlock(writer, plan.landlock);
  if (plan.nested !== undefined) writeBounds(writer, plan.nested);
}
