// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { Downloads } from "../../src/engine/downloads.ts";
import type { FetchOperation } from "../../src/engine/fetch.ts";
import type { StoredImage } from "../../src/store/image/stored.ts";

/** An operation of which only what downloads look at is there. */
function operation(name: string, downloadSize = 0): FetchOperation {
  return { image: { commit: name, downloadSize } } as unknown as FetchOperation;
}

/** Downloads that end when they are told to. */
class Controlled {
  readonly running = new Map<string, PromiseWithResolvers<StoredImage>>();
  readonly started: string[] = [];

  readonly start = ({ image }: FetchOperation): Promise<StoredImage> => {
    const result = Promise.withResolvers<StoredImage>();
    this.running.set(image.commit, result);
    this.started.push(image.commit);
    return result.promise;
  };

  finish(name: string): void {
    this.running.get(name)?.resolve({ commit: name } as StoredImage);
  }
}

const settled = (): Promise<void> => new Promise((done) => setImmediate(done));

test("a few images are fetched at a time, and further ones as those before are taken", async () => {
  const control = new Controlled();
  const operations = ["a", "b", "c", "d", "e", "f"].map((name) => operation(name));
  const downloads = new Downloads(operations, control.start, () => []);
  expect(control.started).toEqual(["a", "b", "c", "d"]);
  control.finish("c");
  await settled();
  expect(control.started).toHaveLength(4);
  for (const [at, one] of operations.entries()) {
    control.finish(one.image.commit);
    expect((await downloads.take(one)).commit).toBe(one.image.commit);
    expect(control.started).toHaveLength(Math.min(6, 5 + at));
  }
  await downloads[Symbol.asyncDispose]();
});

test("images that share a layer come one after the other, and of large ones only two at a time", async () => {
  const control = new Controlled();
  const large = 100 * 1024 * 1024;
  const operations = [operation("a", large), operation("b", large), operation("c", large), operation("d")];
  const layers: Readonly<Record<string, readonly string[]>> = { a: ["x"], b: ["y"], c: ["z"], d: ["x", "w"] };
  const downloads = new Downloads(operations, control.start, ({ image }) => layers[image.commit] ?? []);
  expect(control.started).toEqual(["a", "b"]);
  control.finish("a");
  await settled();
  expect(control.started).toEqual(["a", "b", "c", "d"]);
  for (const name of ["b", "c", "d"]) control.finish(name);
  for (const one of operations) await downloads.take(one);
  await downloads[Symbol.asyncDispose]();
});

test("a failure is told to whoever takes the image; what is dropped makes room, and what has not begun never begins", async () => {
  const control = new Controlled();
  const [a, b, f] = [operation("a"), operation("b"), operation("f")];
  const operations = [a, b, operation("c"), operation("d"), operation("e"), f];
  const downloads = new Downloads(operations, control.start, () => []);
  control.running.get("a")?.reject(new Error("refused"));
  await expect(downloads.take(a)).rejects.toThrow("refused");
  downloads.drop(f);
  downloads.drop(b);
  control.finish("b");
  await settled();
  expect(control.started).toEqual(["a", "b", "c", "d", "e"]);
  for (const name of ["c", "d", "e"]) control.finish(name);
  await downloads[Symbol.asyncDispose]();
  expect(control.started).not.toContain("f");
});
