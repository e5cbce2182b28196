// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import type { ByteString } from "../../../src/formats/composefs/bytestring.ts";
import { type Directory, type Inode, type Leaf, objectPath } from "../../../src/formats/composefs/model.ts";

const metadata = {
  mode: fc.constantFrom(0o755, 0o644, 0o4755, 0o1777, 0),
  uid: fc.constantFrom(0, 1000, 65535, 65536, 4294967295),
  gid: fc.constantFrom(0, 0, 70000),
  mtimeSec: fc.constantFrom(0, 0, 1, 1700000000, -5, 5_000_000_000),
  mtimeNsec: fc.constantFrom(0, 0, 999_999_999),
};

function bytes(minLength: number, maxLength: number, from = 0): fc.Arbitrary<ByteString> {
  return fc
    .array(fc.integer({ min: from, max: 255 }), { minLength, maxLength })
    .map((codes) => String.fromCharCode(...codes));
}

const nameArbitrary: fc.Arbitrary<ByteString> = fc
  .oneof(
    { weight: 3, arbitrary: fc.constantFrom("a", "b", "ab", "00", "!", "-", "-x", "..a", "=", "a b", "\\", "usr") },
    { weight: 1, arbitrary: bytes(1, 12, 1) },
    { weight: 1, arbitrary: fc.integer({ min: 100, max: 255 }).map((length) => "n".repeat(length)) },
  )
  .filter((name) => !name.includes("/") && name !== "." && name !== "..");

const xattrKey = fc.constantFrom(
  "user.a",
  "user.",
  "user.bb",
  "trusted.x",
  "trusted.overlay.opaque",
  "trusted.overlay.redirect",
  "security.selinux",
  "security.capability",
  "system.posix_acl_access",
  "system.posix_acl_default",
  "odd",
  "user.a=b c",
);
const xattrs = fc
  .array(fc.tuple(xattrKey, fc.oneof(fc.constantFrom("", "x", "label"), bytes(0, 40))), { maxLength: 4 })
  .map((pairs) => new Map(pairs));

const nlink = fc.constantFrom(1, 1, 2, 70_000);
const digest = fc.constantFrom(1, 2, 3, 255).map((fill) => new Uint8Array(32).fill(fill));
const content = fc.oneof(fc.constantFrom(0, 1, 64, 2048, 2049, 4096, 4097, 5000), fc.nat(64)).map((length) => {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + length) & 255);
});
const objectSize = fc.constantFrom(1, 65, 4096, 4097, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 43, 2 ** 43 + 1, 2 ** 52);
const linkTarget = fc
  .constantFrom(1, 5, 100, 900, 2000, 3900, 4000, 4040, 4064, 4095)
  .map((length) => "t/".repeat(2048).slice(0, length));

const leaf: fc.Arbitrary<Leaf> = fc.oneof(
  fc.record({ ...metadata, xattrs, nlink, content, kind: fc.constant("inline" as const) }),
  fc
    .record({ ...metadata, xattrs, nlink, size: objectSize, digest, kind: fc.constant("external" as const) })
    .map((file) => ({
      ...file,
      payload: objectPath(file.digest),
    })),
  fc.record({
    ...metadata,
    xattrs,
    nlink,
    size: objectSize,
    digest: fc.constant(undefined),
    payload: fc.constantFrom(undefined, "a", "-", "x y"),
    kind: fc.constant("external" as const),
  }),
  fc.record({ ...metadata, xattrs, nlink, target: linkTarget, kind: fc.constant("symlink" as const) }),
  fc.record({
    ...metadata,
    xattrs,
    nlink: fc.constant(1),
    rdev: fc.constantFrom(0, 259, 0xfff00),
    kind: fc.constantFrom("character" as const, "block" as const),
  }),
  fc.record({ ...metadata, xattrs, nlink, kind: fc.constantFrom("fifo" as const, "socket" as const) }),
);

// The writer marks folders with whiteouts as opaque itself, so that this mark would not come back.
const folderXattrs = xattrs.map((all) => new Map([...all].filter(([key]) => key !== "trusted.overlay.opaque")));

function directory(entries: Map<ByteString, Inode>): fc.Arbitrary<Directory> {
  return fc.record({
    ...metadata,
    xattrs: folderXattrs,
    kind: fc.constant("directory" as const),
    entries: fc.constant(entries),
  });
}

interface Plan {
  readonly depth: number;
  readonly leaves: readonly Leaf[];
  /** Name, index of a leaf: several names of one leaf are hard links. */
  readonly names: readonly (readonly [ByteString, number])[];
}

/** Trees of every kind of inode, with hard links, odd names, and sizes around each limit of the layout. */
export const treeArbitrary: fc.Arbitrary<Directory> = fc
  .record<Plan>({
    depth: fc.nat(3),
    leaves: fc.array(leaf, { minLength: 1, maxLength: 12 }),
    names: fc.array(fc.tuple(nameArbitrary, fc.nat(40)), { maxLength: 30 }),
  })
  .chain((plan) =>
    fc.array(directory(new Map()), { minLength: 6, maxLength: 6 }).map((folders) => assemble(plan, folders)),
  );

function assemble(plan: Plan, blanks: readonly Directory[]): Directory {
  const folders = blanks.map((blank) => ({ ...blank, entries: new Map<ByteString, Inode>() }));
  const [root] = folders;
  if (root === undefined) throw new Error("no folder was made");
  folders.slice(1).forEach((folder, index) => {
    const parent = folders[plan.depth === 0 ? 0 : index % (plan.depth + 1)];
    if (folder !== parent && index < folders.length - 2) parent?.entries.set(`dir${index}`, folder);
  });
  const used = new Set<Leaf>();
  for (const [index, [name, choice]] of plan.names.entries()) {
    const leaf = plan.leaves[choice % plan.leaves.length];
    const folder = folders[index % folders.length];
    if (leaf === undefined || folder === undefined || folder.entries.has(name)) continue;
    // A whiteout must have one name.
    if (leaf.kind === "character" && used.has(leaf)) continue;
    used.add(leaf);
    folder.entries.set(name, leaf);
  }
  return root;
}
