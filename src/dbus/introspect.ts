// SPDX-License-Identifier: Apache-2.0
import { type InterfaceShape, parseArguments } from "./interface.ts";

const doctype =
  '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">';

function argumentLines(list: string, direction: string): string[] {
  const attribute = direction === "" ? "" : ` direction="${direction}"`;
  return parseArguments(list).map(({ type, name }) => `      <arg type="${type}" name="${name}"${attribute}/>`);
}

function interfaceLines({ name, methods, signals, properties, writable }: InterfaceShape): string[] {
  const access = (property: string): string => (writable?.includes(property) === true ? "readwrite" : "read");
  return [
    `  <interface name="${name}">`,
    ...Object.entries(methods).flatMap(([member, shape]) => [
      `    <method name="${member}">`,
      ...argumentLines(shape.in, "in"),
      ...argumentLines(shape.out, "out"),
      "    </method>",
    ]),
    ...Object.entries(signals ?? {}).flatMap(([member, list]) => [
      `    <signal name="${member}">`,
      ...argumentLines(list, ""),
      "    </signal>",
    ]),
    ...Object.entries(properties ?? {}).map(
      ([property, type]) => `    <property name="${property}" type="${type}" access="${access(property)}"/>`,
    ),
    "  </interface>",
  ];
}

/** What a path offers ("Introspection Data Format" of the D-Bus specification). */
export function introspection(interfaces: readonly InterfaceShape[], children: readonly string[]): string {
  const nodes = children.map((child) => `  <node name="${child}"/>`);
  return [doctype, "<node>", ...interfaces.flatMap(interfaceLines), ...nodes, "</node>", ""].join("\n");
}
