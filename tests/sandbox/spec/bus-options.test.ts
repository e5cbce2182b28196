// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { busOptionsOf } from "../../../src/sandbox/spec/bus-options.ts";
import type { BusSpecification } from "../../../src/sandbox/spec/types.ts";

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

test("busOptionsOf() says what a sandbox may do as options of a proxy", () => {
  expect(busOptionsOf("session", filtered)).toEqual([
    "--filter",
    "--log",
    "--see=org.test.Seen",
    "--talk=org.test.Talk.*",
    "--own=org.test.App.*",
    "--call=org.test.Portal.*=*",
    "--broadcast=org.test.Portal.*=@/x/*",
  ]);
  expect(busOptionsOf("a11y", filtered)).toContain("--sloppy-names");
  expect(busOptionsOf("session", { ...filtered, access: "none" })).toEqual(["--filter"]);
  expect(busOptionsOf("session", { ...filtered, access: "whole", log: false })).toEqual([]);
});
