// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decompress } from "../../../src/formats/compression/decompress.ts";
import { fsVerityDigest } from "../../../src/formats/fsverity/digest.ts";
import type { Intake, Ticket } from "../../../src/store/objects/intake.ts";
import { ObjectStaging } from "../../../src/store/objects/staging.ts";

let path: string;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "dowel-intake-"));
  for (const name of ["tmp", "objects"]) mkdirSync(join(path, name));
});

afterEach(() => rmSync(path, { recursive: true, force: true }));

function openStaging(): ObjectStaging {
  const folders = { tmp: join(path, "tmp"), objects: join(path, "objects") };
  return new ObjectStaging({ path, ...folders } as ConstructorParameters<typeof ObjectStaging>[0]);
}

function contentOf(size: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8) * 7 + seed) & 0xff);
}

const sizes = [1, 64, 65, 4096, 70_000, 700_000, 2_500_000, 3, 900_000, 1_048_576, 12];

/** Contents one after the other, as an archive without headers; large ones that lie in two chunks come in parts. */
async function take(intake: Intake, contents: readonly Uint8Array[]): Promise<Ticket[]> {
  async function* once(): AsyncGenerator<Uint8Array> {
    yield Buffer.concat(contents);
  }
  const chunks = decompress(once(), "none", { memory: intake });
  let chunk: Uint8Array = new Uint8Array(0);
  async function* next(size: number): AsyncGenerator<Uint8Array> {
    for (let rest = size; rest > 0; ) {
      if (chunk.length === 0) chunk = (await chunks.next()).value ?? chunk;
      const part = chunk.subarray(0, rest);
      chunk = chunk.subarray(part.length);
      rest -= part.length;
      yield part;
    }
  }
  const tickets: Ticket[] = [];
  for (const [at, { length }] of contents.entries()) {
    const executable = at % 2 === 1;
    if (chunk.length >= length) {
      tickets.push(intake.add(chunk.subarray(0, length), executable));
      chunk = chunk.subarray(length);
    } else if (length > 64) tickets.push(await intake.addStream(next(length), executable));
    else tickets.push(intake.add(Buffer.concat(await Array.fromAsync(next(length))), executable));
  }
  expect((await chunks.next()).done).toBe(true);
  return tickets;
}

test.each([true, false])(
  "Intake takes contents out of its own memory and digests it all (threaded: %p)",
  async (threaded) => {
    const contents = sizes.map((size, at) => contentOf(size, at));
    await using staging = openStaging();
    const intake = staging.intake(threaded ? 2 ** 30 : 0);
    for (const algorithm of ["sha256", "sha512"] as const) {
      await intake.beginArchive(algorithm);
      const tickets = await take(intake, contents);
      const sum = createHash(algorithm).update(Buffer.concat(contents)).digest("hex");
      expect(await intake.endArchive()).toBe(`${algorithm}:${sum}` as Awaited<ReturnType<Intake["endArchive"]>>);
      for (const [at, { content }] of tickets.entries()) {
        const bytes = contents[at] ?? new Uint8Array(0);
        expect(content?.digest).toBe(Buffer.from(fsVerityDigest(bytes)).toString("hex"));
        expect(content?.size).toBe(bytes.length);
      }
    }
    await staging.commit();
    const large = contents.filter(({ length }) => length > 64);
    for (const bytes of large) {
      const digest = Buffer.from(fsVerityDigest(bytes)).toString("hex");
      const object = join(path, "objects", digest.slice(0, 2), digest.slice(2));
      expect(Buffer.compare(readFileSync(object), bytes)).toBe(0);
      expect(statSync(object).mtimeMs).toBe(0);
    }
    const stored = readdirSync(join(path, "objects")).flatMap((folder) => readdirSync(join(path, "objects", folder)));
    expect(stored.length).toBe(large.length);
  },
);

test.each([true, false])("Intake tells digests ahead of staged contents (threaded: %p)", async (threaded) => {
  const contents = [...sizes, 64, 9_000_000, 0].map((size, at) => contentOf(size, 3 * at));
  await using staging = openStaging();
  const intake = staging.intake(threaded ? 2 ** 30 : 0);
  const tickets: Ticket[] = [];
  for (const [at, bytes] of contents.entries()) {
    const own = new Uint8Array(bytes);
    tickets.push(await intake.take(own, at % 2 === 1));
    own.fill(0xee);
  }
  await intake.digested();
  for (const [at, { content }] of tickets.entries()) {
    const bytes = contents[at] ?? new Uint8Array(0);
    const inline = bytes.length > 0 && bytes.length <= 64 ? bytes : undefined;
    expect(content).toEqual({ size: bytes.length, digest: Buffer.from(fsVerityDigest(bytes)).toString("hex"), inline });
  }
  await intake.settle();
  await staging.commit();
  for (const [at, { content }] of tickets.entries()) {
    if (content === undefined || content.size <= 64) continue;
    const { digest } = content;
    const object = join(path, "objects", digest.slice(0, 2), digest.slice(2));
    expect(Buffer.compare(readFileSync(object), contents[at] ?? new Uint8Array(0))).toBe(0);
    expect(statSync(object).mode & 0o777).toBe(at % 2 === 1 ? 0o555 : 0o444);
  }
});

test("Intake makes objects of what it took, and leaves the rest to the commit", async () => {
  const contents = [100, 5_000, 70_000].map((size, at) => contentOf(size, at + 1));
  const digestOf = (bytes: Uint8Array): string => Buffer.from(fsVerityDigest(bytes)).toString("hex");
  const isThere = (bytes: Uint8Array): boolean => {
    const digest = digestOf(bytes);
    return existsSync(join(path, "objects", digest.slice(0, 2), digest.slice(2)));
  };
  await using staging = openStaging();
  const own = contentOf(300, 9);
  staging.add(own, false);
  const intake = staging.intake(2 ** 30);
  for (const bytes of contents) await intake.take(bytes, false);
  staging.startCommit();
  await staging.settle();
  expect(contents.map(isThere)).toEqual([true, true, true]);
  expect(isThere(own)).toBe(false);
  expect(contents.map((bytes) => staging.isStored(digestOf(bytes)))).toEqual([true, true, true]);
  expect([staging.isStored(digestOf(own)), staging.has(digestOf(own)), staging.newObjects]).toEqual([false, true, 4]);
  const later = contentOf(400, 11);
  await intake.take(later, true);
  await staging.commit();
  expect([own, later].map(isThere)).toEqual([true, true]);
  expect([staging.newObjects, staging.stagedBytes]).toEqual([5, 0]);
});

test("Intake fails where a content cannot be written, though its digest was told", async () => {
  await using staging = openStaging();
  const intake = staging.intake(2 ** 30);
  const ticket = await intake.take(contentOf(100_000, 1), false);
  rmSync(join(path, "tmp"), { recursive: true });
  writeFileSync(join(path, "tmp"), "");
  await intake.digested().catch(() => undefined);
  const failure = await intake.settle().catch((error: unknown) => error);
  rmSync(join(path, "tmp"));
  expect(failure).toMatchObject({ code: "IO" });
  expect(ticket.content?.size ?? 100_000).toBe(100_000);
});

test("Intake begins anew after an archive that broke off inside a content", async () => {
  const bytes = contentOf(3_000_000, 5);
  await using staging = openStaging();
  const intake = staging.intake(2 ** 30);
  await intake.beginArchive("sha256");
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 100_000);
    throw new Error("cut");
  }
  await expect(intake.addStream(broken(), false)).rejects.toThrow("cut");
  await intake.beginArchive("sha256");
  const [ticket] = await take(intake, [bytes]);
  const sum = createHash("sha256").update(bytes).digest("hex");
  expect((await intake.endArchive()) as string).toBe(`sha256:${sum}`);
  expect(ticket?.content?.digest).toBe(Buffer.from(fsVerityDigest(bytes)).toString("hex"));
});
