// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import type { BusSpecification } from "../../src/sandbox/spec/types.ts";
import { explainName } from "../../src/session/explain.ts";

const filtered: BusSpecification = {
  access: "filtered",
  log: true,
  see: ["org.test.Seen"],
  talk: ["org.test.Talk.*"],
  own: ["org.test.App.*"],
  ask: [],
  calls: ["org.test.Portal.*=*"],
  broadcasts: ["org.test.Portal.*=@/x/*"],
};

test("explainName() names the level, its reason, and the option that would allow more", () => {
  const explain = (name: string) => explainName("session", filtered, name);
  expect(explain("org.none")).toMatchObject({ may: "nothing", because: [], allow: "--talk-name=org.none" });
  expect(explain("org.test.Seen")).toMatchObject({ may: "see", allow: "--talk-name=org.test.Seen" });
  expect(explain("org.test.Talk.Deep")).toMatchObject({
    may: "talk",
    because: ["--talk=org.test.Talk.*"],
    allow: undefined,
  });
  expect(explain("org.test.App.Main")).toMatchObject({ may: "own", allow: undefined });
  expect(explain("org.test.Portal.Desktop")).toMatchObject({
    may: "talk",
    allow: "--talk-name=org.test.Portal.Desktop",
  });
  expect(explainName("system", { ...filtered, access: "whole" }, "org.none")).toMatchObject({ may: "everything" });
});
