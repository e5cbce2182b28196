// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import type { SystemChange, TransactionChange } from "../../src/system/change.ts";
import { decodeChange } from "../../src/system/decode.ts";
import { encodeChange } from "../../src/system/encode.ts";
import { rightsFor } from "../../src/system/rights.ts";

const app = "app/org.example.App/x86_64/stable";
const runtime = "runtime/org.example.Platform/x86_64/1";
const commit = "a".repeat(64);
const key = Uint8Array.of(1, 2, 3);

const transaction: TransactionChange = {
  kind: "transaction",
  requests: [
    { kind: "install", ref: app, remote: "apps" },
    { kind: "update", ref: runtime },
    { kind: "uninstall", ref: app },
  ],
  options: { subpaths: ["/de"], noDeps: true, reinstall: false, declined: new Set([app]) },
  accepted: [
    { operation: "install", ref: app, commit, origin: "apps" },
    { operation: "update", ref: runtime, commit, origin: "apps" },
  ],
  direct: {
    location: "docker://example.org/apps/app:stable",
    origin: { name: "app-origin", url: "docker://example.org/apps/app", gpgKey: key },
  },
  newRemotes: [{ name: "more", url: "oci+https://example.org/more", settings: { title: "More", noDeps: true } }],
  noPull: false,
  noDeploy: true,
  keepVersions: 3,
};

const settings = {
  url: "oci+https://example.org/apps",
  title: "Apps",
  gpgVerify: false,
  priority: -2,
  authenticatorOptions: new Map([["realm", "x"]]),
};
const verify = { kind: "keyless", keys: [key], issuer: "https://i", subject: "s", authority: key, log: [key] } as const;
const changes: readonly SystemChange[] = [
  transaction,
  { kind: "remote-add", name: "apps", settings, ifNotExists: true, verify, gpgKey: key },
  { kind: "remote-modify", name: "apps", settings: { title: "" }, verify: undefined },
  { kind: "remote-delete", name: "apps", force: true },
  { kind: "config", key: "languages", value: undefined },
  { kind: "patterns", list: "masked", patterns: ["org.example.*"], remove: false },
  { kind: "switch", ref: app, commit },
  { kind: "make-current", id: "org.example.App", branch: "beta", arch: undefined },
  { kind: "appstream", remote: undefined, arch: "aarch64" },
  { kind: "mount", image: commit },
  { kind: "repair", dryRun: false, reinstallAll: true },
  { kind: "preinstalled" },
];

/** Bytes as one kind of array, and without what is undefined, as JSON leaves that out. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (value instanceof Set || value instanceof Map) return value;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.map(([name, item]) => [name, plain(item)]));
}

test.each(changes)("decodeChange() reads what encodeChange() writes: %#", (change) => {
  expect(plain(decodeChange(encodeChange(change)))).toMatchObject(plain(change) as object);
});

test("decodeChange() keeps sets, maps and bytes", () => {
  expect(decodeChange(encodeChange(transaction))).toMatchObject({
    options: { declined: new Set([app]) },
    direct: { origin: { gpgKey: Buffer.from(key) } },
  });
  const [, added] = changes;
  if (added === undefined) throw new Error("There is one");
  expect(decodeChange(encodeChange(added))).toMatchObject({
    settings: { authenticatorOptions: new Map([["realm", "x"]]) },
    verify: { keys: [Buffer.from(key)] },
  });
});

describe("rightsFor()", () => {
  const prefix = "org.freedesktop.Flatpak.";
  const rights = (change: SystemChange, known: readonly string[] = ["apps"]): readonly string[] =>
    rightsFor(change, new Set(known)).map((name) => name.slice(prefix.length));

  test("names each action of a transaction once, and that a remote is made", () => {
    const plain = { ...transaction, direct: undefined, newRemotes: [] };
    expect(rights(plain)).toEqual(["app-install", "runtime-update"]);
    expect(rights({ ...plain, accepted: [...plain.accepted, ...plain.accepted] })).toEqual([
      "app-install",
      "runtime-update",
    ]);
    expect(rights({ ...transaction, direct: undefined })).toEqual([
      "app-install",
      "runtime-update",
      "configure-remote",
    ]);
    expect(rights({ ...transaction, direct: undefined }, ["more"])).toEqual(["app-install", "runtime-update"]);
    expect(rights({ ...transaction, newRemotes: [] })).toContain("configure-remote");
  });

  test("names the action of every other change", () => {
    expect(changes.slice(1).map((change) => rights(change))).toEqual([
      ...[["configure-remote"], ["configure-remote"], ["configure-remote"], ["configure"], ["configure"]],
      ...[["app-downgrade"], ["configure"], ["appstream-update"], []],
      ...[["modify-repo", "app-update", "runtime-update"], ["configure"]],
    ]);
    expect(rights({ kind: "repair", dryRun: true, reinstallAll: false })).toEqual(["modify-repo"]);
    expect(rights({ kind: "switch", ref: runtime, commit })).toEqual(["runtime-downgrade"]);
  });
});
