// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
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
