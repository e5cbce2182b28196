// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { MessageHeader, messageFlag, messageType } from "../../../src/formats/dbus/header.ts";
import { encodeMessage } from "../../../src/formats/dbus/write.ts";
import { BusFilter } from "../../../src/session/bus/filter.ts";
import { BusPolicy, level } from "../../../src/session/bus/policy.ts";
import { logLines } from "../../../src/session/proxy/log.ts";

/** What is logged of a message to a name, behind the line that describes it. */
function outcome(destination: string, type: number = messageType.call, flags = 0): string {
  const policy = new BusPolicy();
  policy.allow("org.test.See", level.see);
  policy.allow("org.test.Talk", level.talk);
  const filter = new BusFilter({ policy, sloppyNames: false, firstSerial: 1000 });
  const fields = { path: "/", interface: "org.test.Iface", member: "Do" };
  const bytes = encodeMessage({ ...fields, type, flags, serial: 5, destination });
  const header = new MessageHeader();
  header.measure(bytes, 0);
  header.read(bytes, 0);
  const decision = filter.fromClient(header, bytes, 0, true);
  const [line, ...rest] = logLines("from-client", header, decision, filter.refusal).split("\n");
  expect(line).toStartWith(`C5: -> ${destination} `);
  return rest.join("");
}

test("logLines() tells what is hidden from what is denied, as xdg-dbus-proxy does", () => {
  const { noReplyExpected, noAutoStart } = messageFlag;
  expect(outcome("org.test.Talk")).toBe("");
  expect(outcome("org.test.See")).toBe("*DENIED* (ping)");
  expect(outcome("org.test.See", messageType.call, noReplyExpected)).toBe("*DENIED*");
  expect(outcome("org.test.None")).toBe("*HIDDEN* (ping)");
  expect(outcome("org.test.None", messageType.call, noAutoStart)).toBe("*HIDDEN* (ping)");
  expect(outcome("org.test.None", messageType.call, noReplyExpected)).toBe("*HIDDEN*");
  expect(outcome("org.test.None", messageType.signal)).toBe("*HIDDEN*");
  expect(outcome("org.test.See", messageType.signal)).toBe("*DENIED*");
});
