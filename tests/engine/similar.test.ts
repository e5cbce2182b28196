// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Choose } from "../../src/engine/choose.ts";
import { prepareInstall } from "../../src/engine/prepareinstall.ts";
import { prepareUninstall } from "../../src/engine/prepareuninstall.ts";
import { meantInstalled } from "../../src/engine/similar.ts";
import { formatRef } from "../../src/metadata/ref.ts";
import { addRemote } from "../../src/remotes/config.ts";
import type { Installation } from "../../src/store/installation.ts";
import { TestFolder } from "../store/images.ts";
import { addSample, appRef, install } from "./fixtures.ts";

/** Answers a question, and keeps it. */
function answering(answer: ReturnType<Choose>): { readonly choose: Choose; readonly asked: (readonly string[])[] } {
  const asked: (readonly string[])[] = [];
  const choose: Choose = (question, items) => {
    asked.push([question, ...items]);
    return answer;
  };
  return { choose, asked };
}

const folder = new TestFolder();
let store: Installation;
beforeAll(async () => {
  store = folder.installation();
  const layout = join(folder.path, "layout");
  for (const name of ["Hello", "Help", "Other"]) addSample(layout, { ref: appRef(name) });
  addSample(layout, { ref: appRef("Other", "beta") });
  addSample(layout, { ref: appRef("Hello.Debug").replace("app/", "runtime/") });
  await addRemote(store, "local", { url: `oci:${layout}` });
  for (const ref of [appRef("Hello"), appRef("Help"), appRef("Other"), appRef("Other", "beta")]) {
    await install(store, [ref], { noDeps: true, noRelated: true });
  }
});
afterAll(() => folder[Symbol.dispose]());

describe("meantInstalled()", () => {
  test("takes a name that is installed, and one that nothing is like, as it is", () => {
    const { choose, asked } = answering(0);
    for (const name of ["org.test.Hello", "org.test.Hel", "nothing", appRef("Help")]) {
      expect(meantInstalled([store], name, {}, choose)).toEqual([name]);
    }
    expect(meantInstalled([store], "hello", {}, undefined)).toEqual(["hello"]);
    expect(asked).toEqual([]);
  });

  test("asks about one ref that is like it, and takes no other for an answer than yes", () => {
    const yes = answering(0);
    expect(meantInstalled([store], "HELLO", {}, yes.choose)).toEqual([appRef("Hello")]);
    expect(yes.asked).toEqual([["HELLO is not installed, but this is:", appRef("Hello")]]);
    const no = answering(undefined);
    expect(() => meantInstalled([store], "hello", {}, no.choose)).toThrow(expect.objectContaining({ code: "ABORTED" }));
  });

  test("asks which of several, or all of them; without anybody to ask they are an error", () => {
    const both = [appRef("Hello"), appRef("Help")];
    const all = answering(2);
    expect(meantInstalled([store], "hel", {}, all.choose)).toEqual(both);
    expect(all.asked[0]?.slice(1)).toEqual([...both, "All of the above"]);
    expect(meantInstalled([store], "hel", {}, answering(1).choose)).toEqual([appRef("Help")]);
    expect(() => meantInstalled([store], "hel", {}, answering("unasked").choose)).toThrow(
      expect.objectContaining({ code: "REF_AMBIGUOUS" }),
    );
  });
});

test("prepareUninstall() asks which branch is meant, or all", () => {
  const removed = (answer: ReturnType<Choose>): readonly string[] =>
    prepareUninstall(store, ["org.test.Other"], { choose: answering(answer).choose }).operations.map(({ ref }) =>
      formatRef(ref),
    );
  expect(removed(2).toSorted()).toEqual([appRef("Other", "beta"), appRef("Other")]);
  expect(removed(0)).toHaveLength(1);
  expect(() => removed(undefined)).toThrow(expect.objectContaining({ code: "ABORTED" }));
  expect(() => removed("unasked")).toThrow(expect.objectContaining({ code: "REF_AMBIGUOUS" }));
});

test("prepareInstall() asks about names like a word, but not about their debug information", async () => {
  const target = folder.installation("target");
  await addRemote(target, "local", { url: `oci:${join(folder.path, "layout")}` });
  const found = async (word: string, choose: Choose | undefined): Promise<readonly string[]> => {
    const plan = await prepareInstall(target, [word], { noDeps: true, noRelated: true, choose });
    return plan.operations.map(({ ref }) => formatRef(ref));
  };
  const one = answering(0);
  expect(await found("hello", one.choose)).toEqual([appRef("Hello")]);
  expect(one.asked).toEqual([["hello was not found, but this was:", `${appRef("Hello")} (local)`]]);
  expect(await found("hel", answering(1).choose)).toEqual([appRef("Help")]);
  const failing = [
    [answering("unasked").choose, "REF_NOT_FOUND"],
    [answering(undefined).choose, "ABORTED"],
    [undefined, "REF_NOT_FOUND"],
  ] as const;
  for (const [choose, code] of failing) {
    await expect(found("hel", choose)).rejects.toThrow(expect.objectContaining({ code }));
  }
});
