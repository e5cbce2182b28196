// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import type { FilesystemMode } from "../../../src/metadata/permissions/filesystem.ts";
import type { Grant, Grants } from "../../../src/metadata/permissions/grant.ts";
import type { LimitName, Limits } from "../../../src/metadata/permissions/limits.ts";
import { sortedUnion } from "../../../src/metadata/permissions/merge.ts";
import type { Permissions } from "../../../src/metadata/permissions/model.ts";
import { busPolicies, type GrantList, knownNames } from "../../../src/metadata/permissions/names.ts";

const condition = fc.constantFrom("true", "false", "has-wayland", "!has-input-device", "from-the-future");

const grant: fc.Arbitrary<Grant> = fc.oneof(
  fc.constant({ allowed: true, reset: true, conditions: [] }),
  fc.constant({ allowed: false, reset: true, conditions: [] }),
  fc.record({
    allowed: fc.constant(false),
    reset: fc.boolean(),
    conditions: fc.array(condition, { minLength: 1 }).map((list) => sortedUnion(list)),
  }),
);

/** Grants in the form that reading gives: no conditions where the grant is whole. */
export function grantsOf(list: GrantList): fc.Arbitrary<Grants> {
  return fc.array(fc.tuple(fc.constantFrom(...knownNames[list]), grant)).map((entries) => new Map(entries));
}

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9 :\\;_-]{0,8}$/);

const token = fc.oneof(
  fc.constantFrom("host", "host-os", "host-etc", "host-root", "home", "xdg-download", "xdg-config"),
  fc.tuple(fc.constantFrom("~", "", "xdg-run", "xdg-data"), name).map(([first, rest]) => `${first}/${rest}`),
);

const filesystems = fc
  .array(fc.tuple(token, fc.constantFrom<FilesystemMode>("none", "ro", "rw", "create")))
  .map((entries) => new Map(entries));

const busNames = fc.dictionary(fc.constantFrom("org.a.B", "org.a.*", "com.c.D_e"), fc.constantFrom(...busPolicies));

const busMap = busNames.map((names) => new Map(Object.entries(names)));
const sortedTexts = fc.array(fc.string({ minLength: 1, unit: "grapheme-ascii" })).map((list) => sortedUnion(list));

const policies = fc
  .dictionary(
    fc.constantFrom("subsystem", "other"),
    fc.dictionary(fc.constantFrom("key", "name"), sortedTexts, { minKeys: 1 }),
  )
  .map((groups) => new Map(Object.entries(groups).map(([group, keys]) => [group, new Map(Object.entries(keys))])));

const usbQueries = fc
  .array(fc.constantFrom("all", "vnd:1234", "vnd:1234+dev:abcd", "cls:03:*"))
  .map((list) => sortedUnion(list));

const limits = fc
  .dictionary(fc.constantFrom<LimitName>("memory", "swap"), fc.constantFrom("512M", "2G", "none"))
  .map((entries): Limits => new Map(Object.entries(entries) as [LimitName, string][]));

/** Permissions as reading a keyfile can give them. */
export const permissions: fc.Arbitrary<Permissions> = fc
  .record({
    shared: grantsOf("shared"),
    sockets: grantsOf("sockets"),
    devices: grantsOf("devices"),
    features: grantsOf("features"),
    filesystems,
    filesystemsReset: fc.boolean(),
    persistent: fc.array(fc.constantFrom(".", ".mozilla", "a/b")).map((list) => sortedUnion(list)),
    environment: fc
      .dictionary(fc.constantFrom("A", "B_C", "_d"), fc.option(fc.string(), { nil: undefined }))
      .map((entries) => new Map(Object.entries(entries))),
    busPolicies: fc.record({ session: busMap, system: busMap, a11y: busMap }),
    policies,
    usb: fc.record({ enumerable: usbQueries, hidden: usbQueries }),
    limits,
  })
  .map((value) =>
    value.filesystemsReset
      ? { ...value, filesystems: new Map([...value.filesystems, ["host", "none"] as const]) }
      : value,
  );
