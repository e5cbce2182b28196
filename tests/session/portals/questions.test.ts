// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { Questions } from "../../../src/session/portals/questions.ts";

describe("Questions", () => {
  const never = new AbortController().signal;

  test("ask one after the other, and a no answers all that wait", async () => {
    const questions = new Questions();
    const asked: number[] = [];
    const answers = Array.from({ length: 4 }, () => Promise.withResolvers<boolean>());
    const outcomes = answers.map(({ promise }, index) =>
      questions.ask("org.example.App", "timers", never, () => {
        asked.push(index);
        return promise;
      }),
    );
    const other = questions.ask("org.example.Other", "timers", never, async () => true);
    expect(await other).toBe(true);
    expect(asked).toEqual([0]);
    answers[0]?.resolve(true);
    expect(await outcomes[0]).toBe(true);
    answers[1]?.resolve(false);
    expect(await Promise.all(outcomes)).toEqual([true, false, false, false]);
    expect(asked).toEqual([0, 1]);
    expect(await questions.ask("org.example.App", "timers", never, async () => true)).toBe(true);
  });

  test("pass over what was given up, and count a failure as no", async () => {
    const questions = new Questions();
    const [first, given] = [new AbortController(), new AbortController()];
    const answer = Promise.withResolvers<boolean>();
    const closed = questions.ask("a", "b", first.signal, () => answer.promise);
    const waiting = questions.ask("a", "b", given.signal, () => Promise.reject(new Error("asked")));
    const fails = questions.ask("a", "b", never, () => Promise.reject(new Error("fails")));
    const behind = questions.ask("a", "b", never, async () => true);
    first.abort();
    given.abort();
    answer.resolve(true);
    expect(await closed).toBe(false);
    expect(await waiting).toBe(false);
    expect(await fails.catch(String)).toBe("Error: fails");
    expect(await behind).toBe(false);
  });
});
