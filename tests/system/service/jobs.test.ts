// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import type { DowelEvent } from "../../../src/base/events.ts";
import { type Installation, installationAt } from "../../../src/store/installation.ts";
import type { SystemChange } from "../../../src/system/change.ts";
import { type Job, type JobContext, Jobs } from "../../../src/system/service/jobs.ts";

function at(path: string): Installation {
  return installationAt({ name: "default", kind: "system", path, priority: 0 });
}

function job(caller: string, token: string, installation = at("/one"), uid = 1000): Job {
  const change: SystemChange = { kind: "preinstalled" };
  return { caller: { name: caller, uid }, token, installation, change, media: [], interactive: false };
}

/** Work that goes on until it is told to end, by `CALLER TOKEN`. */
class Bench {
  readonly began: string[] = [];
  readonly told: DowelEvent[] = [];
  readonly #ends = new Map<string, () => void>();
  readonly jobs = new Jobs({
    authorize: async () => ["right"],
    work: (one, context) => this.#work(one, context),
    tell: (_job, event) => this.told.push(event),
  });

  async #work({ caller, token }: Job, { granted, report, signal }: JobContext): Promise<boolean> {
    const name = `${caller.name} ${token}`;
    this.began.push(name);
    expect(granted).toEqual(["right"]);
    report({ type: "note", text: name });
    for (let done = 0; done < 10; done++) report({ type: "fetch.progress", name: "layer", done, size: 10 });
    await new Promise<void>((end) => {
      this.#ends.set(name, end);
      signal.addEventListener("abort", () => end());
    });
    signal.throwIfAborted();
    return true;
  }

  end(name: string): void {
    this.#ends.get(name)?.();
  }
}

/** Lets everything happen that can. */
async function settle(): Promise<void> {
  await new Promise((done) => setImmediate(done));
}

test("Jobs carries out one job at a time for each installation, in their order", async () => {
  const bench = new Bench();
  const jobs = [job(":1.1", "a"), job(":1.2", "a"), job(":1.3", "a"), job(":1.4", "a", at("/two"))];
  const outcomes = jobs.map((one) => bench.jobs.run(one));
  await settle();
  expect(bench.began).toEqual([":1.1 a", ":1.4 a"]);
  bench.jobs.cancel(":1.2", "a");
  await expect(outcomes[1]).rejects.toMatchObject({ code: "ABORTED" });
  expect(bench.began).toEqual([":1.1 a", ":1.4 a"]);
  bench.end(":1.1 a");
  expect(await outcomes[0]).toBe(true);
  await settle();
  expect(bench.began).toEqual([":1.1 a", ":1.4 a", ":1.3 a"]);
  for (const name of [":1.3 a", ":1.4 a"]) bench.end(name);
  await Promise.all([outcomes[2], outcomes[3]]);
  expect(bench.jobs.idle).toBe(true);
});

test("Jobs lets nobody cancel the job of another, and ends those of a caller that has gone", async () => {
  const bench = new Bench();
  const [own, other] = [bench.jobs.run(job(":1.1", "a")), bench.jobs.run(job(":1.11", "a", at("/two")))];
  await settle();
  expect(() => bench.jobs.cancel(":1.2", "a")).toThrow("a job is cancelled by who asked for it");
  expect(() => bench.jobs.cancel(":1.1", "b")).toThrow();
  bench.jobs.callerGone(":1.1");
  await expect(own).rejects.toThrow("The caller has gone");
  expect(bench.jobs.idle).toBe(false);
  bench.end(":1.11 a");
  expect(await other).toBe(true);
});

test("Jobs takes a name once at a time, and no more than there is room for", async () => {
  const bench = new Bench();
  const first = Array.from({ length: 16 }, (_none, number) =>
    bench.jobs.run(job(":1.1", `job${number}`)).catch(() => "ended"),
  );
  await expect(bench.jobs.run(job(":1.1", "job0"))).rejects.toMatchObject({ code: "USAGE" });
  await expect(bench.jobs.run(job(":1.1", "more"))).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  const other = bench.jobs.run(job(":1.2", "job0", at("/two"))).catch(() => "ended");
  await settle();
  await bench.jobs.stop(new Error("The service ends"));
  expect(new Set(await Promise.all([...first, other]))).toEqual(new Set(["ended"]));
});

test("Jobs gives a user no more room over many connections, and another user still has room", async () => {
  const bench = new Bench();
  const first = Array.from({ length: 32 }, (_none, number) =>
    bench.jobs.run(job(`:1.${number}`, "job")).catch(() => "ended"),
  );
  await expect(bench.jobs.run(job(":1.99", "job"))).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  const other = bench.jobs.run(job(":1.99", "job", at("/two"), 1001)).catch(() => "ended");
  await bench.jobs.stop(new Error("The service ends"));
  expect(new Set(await Promise.all([...first, other]))).toEqual(new Set(["ended"]));
});

test("Jobs lets a mount overtake, for which an app waits", async () => {
  const bench = new Bench();
  const long = bench.jobs.run(job(":1.1", "a"));
  const mount = bench.jobs.run({ ...job(":1.2", "a"), change: { kind: "mount", image: "a".repeat(64) } });
  await settle();
  expect(new Set(bench.began)).toEqual(new Set([":1.1 a", ":1.2 a"]));
  for (const name of bench.began) bench.end(name);
  expect(await Promise.all([long, mount])).toEqual([true, true]);
});

test("Jobs thins out progress, and nothing else", async () => {
  const bench = new Bench();
  const outcome = bench.jobs.run(job(":1.1", "a"));
  await settle();
  expect(bench.told.filter(({ type }) => type === "note")).toHaveLength(1);
  expect(bench.told.filter(({ type }) => type === "fetch.progress").length).toBeLessThan(10);
  bench.end(":1.1 a");
  await outcome;
});
