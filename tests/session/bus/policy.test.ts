// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { MessageHeader, messageType } from "../../../src/formats/dbus/header.ts";
import { Peers } from "../../../src/session/bus/peers.ts";
import { BusPolicy, level } from "../../../src/session/bus/policy.ts";

function message(path: string, name: string, member: string): MessageHeader {
  return Object.assign(new MessageHeader(), { type: messageType.call, path, interface: name, member });
}

const any = message("/a/b", "a.b", "C");

describe("BusPolicy", () => {
  test("levelOf() knows names and namespaces", () => {
    const policy = new BusPolicy();
    policy.allow("org.foo", level.see);
    policy.allow("org.bar.*", level.talk);
    policy.allow("org.bar.deep.*", level.own);
    const levels = ["org.foo", "org.foo.x", "org.bar", "org.bar.x.y", "org.barx", "org.bar.deep", "org", ""];
    expect(levels.map((name) => policy.levelOf(name))).toEqual([1, 0, 2, 2, 0, 3, 0, 0]);
  });

  test("allow() keeps the highest level, in any order", () => {
    const policy = new BusPolicy();
    policy.allow("org.foo", level.own);
    policy.allow("org.foo", level.see);
    expect(policy.levelOf("org.foo")).toBe(level.own);
  });

  const rules: readonly (readonly [string, readonly (readonly [string, string, string, boolean])[]])[] = [
    ["*", [["/", "a.b", "C", true]]],
    ["", [["/", "a.b", "C", true]]],
    [
      "a.b.*",
      [
        ["/", "a.b", "X", true],
        ["/", "a.bc", "X", false],
        ["/", "", "X", false],
      ],
    ],
    [
      "a.b.C",
      [
        ["/", "a.b", "C", true],
        ["/", "a.b", "D", false],
        ["/", "", "C", false],
      ],
    ],
    [
      "*@/x",
      [
        ["/x", "a.b", "C", true],
        ["/x/y", "a.b", "C", false],
      ],
    ],
    [
      "@/x/*",
      [
        ["/x", "a.b", "C", true],
        ["/x/y", "a.b", "C", true],
        ["/xy", "a.b", "C", false],
      ],
    ],
    [
      "@/*",
      [
        ["/", "a.b", "C", true],
        ["/x", "a.b", "C", true],
      ],
    ],
    [
      "a.b.C@/x",
      [
        ["/x", "a.b", "C", true],
        ["/", "a.b", "C", false],
      ],
    ],
  ];
  for (const [rule, cases] of rules) {
    test(`allowsCall() and allowsBroadcast() follow the rule '${rule}'`, () => {
      const calls = new BusPolicy();
      calls.allowCalls("org.foo", rule);
      const broadcasts = new BusPolicy();
      broadcasts.allowBroadcasts("org.foo", rule);
      for (const [path, name, member, allowed] of cases) {
        const one = message(path, name, member);
        expect(calls.allowsCall("org.foo", one)).toBe(allowed);
        expect(broadcasts.allowsBroadcast("org.foo", one)).toBe(allowed);
        expect(calls.allowsBroadcast("org.foo", one) || broadcasts.allowsCall("org.foo", one)).toBe(false);
      }
    });
  }

  test("a rule of one name does not hold for another that has the same level", () => {
    const policy = new BusPolicy();
    policy.allowCalls("org.foo", "a.b.C");
    policy.allow("org.bar", level.talk);
    expect(policy.allowsCall("org.foo", message("/", "x.y", "Z"))).toBe(false);
    expect(policy.allowsCall("org.bar", message("/", "x.y", "Z"))).toBe(true);
  });
});

describe("Peers", () => {
  const policy = new BusPolicy();
  policy.allow("org.foo", level.talk);
  policy.allow("org.own", level.own);
  policy.allow("org.see", level.see);

  test("a unique name has the rights of the names that it owns now", () => {
    const peers = new Peers(policy);
    expect(peers.levelOf(":1.1")).toBe(level.none);
    peers.setOwner("org.foo", "", ":1.1");
    peers.setOwner("org.own", "", ":1.1");
    expect([peers.levelOf(":1.1"), peers.allowsCall(":1.1", any)]).toEqual([level.own, true]);
    peers.setOwner("org.own", ":1.1", ":1.2");
    expect([peers.levelOf(":1.1"), peers.levelOf(":1.2")]).toEqual([level.talk, level.own]);
    peers.setOwner("org.foo", ":1.1", "");
    expect([peers.levelOf(":1.1"), peers.allowsCall(":1.1", any)]).toEqual([level.none, false]);
  });

  test("who sends something is seen, and not more", () => {
    const peers = new Peers(policy);
    peers.show(":1.5");
    expect([peers.levelOf(":1.5"), peers.allowsCall(":1.5", any)]).toEqual([level.see, false]);
    peers.forget(":1.5");
    expect(peers.levelOf(":1.5")).toBe(level.none);
  });

  test("the bus and the client itself may be talked to", () => {
    const peers = new Peers(policy);
    expect(peers.levelOf("")).toBe(level.none);
    peers.own = ":1.9";
    expect([peers.levelOf(":1.9"), peers.levelOf("org.freedesktop.DBus")]).toEqual([level.talk, level.talk]);
  });
});
