// SPDX-License-Identifier: Apache-2.0
import type { UsbIdentity } from "../../../metadata/permissions/usb.ts";

/** A USB device as the kernel and udev tell of it. */
export interface UsbDevice extends UsbIdentity {
  /** Its name in sysfs: `1-2.3`, `usb1`. */
  readonly name: string;
  /** The name of what it is plugged into; undefined: nothing. */
  readonly parent: string | undefined;
  /** Its node, below `/dev`. */
  readonly node: string;
  /** Its major and minor numbers, `189:3`. */
  readonly number: string;
  /** Properties of udev, as far as they are for apps. */
  readonly properties: ReadonlyMap<string, string>;
}

/** What is known of one device as text: its attributes, the `uevent` files of its interfaces, and its entry in udev's database. */
export interface UsbTexts {
  readonly uevent: string;
  readonly manufacturer: string;
  readonly product: string;
  readonly serial: string;
  readonly interfaces: readonly string[];
  readonly udev: string;
}

/** Properties that are for apps: those that xdg-desktop-portal tells of. */
const toldProperties: ReadonlySet<string> = new Set([
  ...["ID_INPUT_JOYSTICK", "ID_MODEL_ID", "ID_MODEL_ENC", "ID_MODEL_FROM_DATABASE", "ID_REVISION", "ID_SERIAL"],
  ...["ID_SERIAL_SHORT", "ID_TYPE", "ID_VENDOR_ENC", "ID_VENDOR_ID", "ID_VENDOR_FROM_DATABASE"],
]);

const deviceName = /^(?:usb\d+|\d+-\d+(?:\.\d+)*)$/;

export function isUsbDeviceName(name: string): boolean {
  return deviceName.test(name);
}

/** What a device is plugged into, by its name: `1-2.3` into `1-2`, that into the root hub `usb1`. */
function parentOf(name: string): string | undefined {
  const dot = name.lastIndexOf(".");
  if (dot >= 0) return name.slice(0, dot);
  const [bus = "", port] = name.split("-");
  return port === undefined ? undefined : `usb${bus}`;
}

function entriesOf(text: string, prefix = ""): ReadonlyMap<string, string> {
  const lines = text.split("\n").filter((line) => line.startsWith(prefix) && line.includes("="));
  return new Map(
    lines.map((line) => {
      const at = line.indexOf("=");
      return [line.slice(prefix.length, at), line.slice(at + 1)];
    }),
  );
}

/** The device number in a `uevent` file, `189:3`; undefined for what has none. */
export function numberOf(uevent: string): string | undefined {
  const said = entriesOf(uevent);
  const [major, minor] = [said.get("MAJOR"), said.get("MINOR")];
  return major === undefined || minor === undefined ? undefined : `${major}:${minor}`;
}

/** Numbers with `/` between as hexadecimal digits; undefined where there are not enough of them. */
function numbersOf(text: string | undefined, base: 10 | 16, count: number, digits: number) {
  const numbers = (text ?? "").split("/").map((one) => Number.parseInt(one, base));
  if (numbers.length < count || numbers.some((one) => !(one >= 0))) return undefined;
  return numbers.map((one) => one.toString(16).padStart(digits, "0"));
}

/** A text of a device without what udev takes out of serial numbers (udev's builtin `usb_id`). */
function plain(text: string): string {
  return text
    .trim()
    .replaceAll(/\s+/g, "_")
    .replaceAll(/[^A-Za-z0-9#+\-.:=@_]/g, "_");
}

/** The same as udev writes it into properties that end with `_ENC`. */
function encoded(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9#+\-.:=@_]/gu, (found) =>
    [...Buffer.from(found)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(""),
  );
}

/** What udev would say of a device, where there is none to say it. */
function ownProperties(
  { manufacturer, product, serial }: UsbTexts,
  [vendorId = "", productId = "", revision = ""]: readonly string[],
): ReadonlyMap<string, string> {
  const [vendor, model] = [plain(manufacturer) || vendorId, plain(product) || productId];
  const short = plain(serial);
  return new Map([
    ["ID_VENDOR_ID", vendorId],
    ["ID_VENDOR_ENC", encoded(manufacturer || vendorId)],
    ["ID_MODEL_ID", productId],
    ["ID_MODEL_ENC", encoded(product || productId)],
    ["ID_REVISION", revision],
    ["ID_SERIAL", [vendor, model, ...(short === "" ? [] : [short])].join("_")],
    ...(short === "" ? [] : ([["ID_SERIAL_SHORT", short]] as const)),
  ]);
}

/** Reads what is known of a device; undefined where that is not enough to hand it out, as when it has just gone. Pure. */
export function parseUsbDevice(name: string, texts: UsbTexts): UsbDevice | undefined {
  const said = entriesOf(texts.uevent);
  const ids = numbersOf(said.get("PRODUCT"), 16, 3, 4);
  const [node, number] = [said.get("DEVNAME"), numberOf(texts.uevent)];
  if (said.get("DEVTYPE") !== "usb_device" || ids === undefined) return undefined;
  if (node === undefined || number === undefined) return undefined;
  const classes = [said.get("TYPE"), ...texts.interfaces.map((one) => entriesOf(one).get("INTERFACE"))].flatMap(
    (text) => numbersOf(text, 10, 3, 2)?.slice(0, 2).join(":") ?? [],
  );
  const byUdev = [...entriesOf(texts.udev, "E:")].filter(([key]) => toldProperties.has(key));
  const [vendor = "", product = ""] = ids;
  return {
    name,
    parent: parentOf(name),
    node,
    number,
    vendor,
    product,
    // Class 0 says that the interfaces have one each (USB 2.0 specification, 9.6.1).
    classes: [...new Set(classes.filter((one, index) => index > 0 || !one.startsWith("00:")))],
    properties: new Map([...ownProperties(texts, ids), ...byUdev]),
  };
}

/** What leave to use a device is kept for in the permission store, in xdg-desktop-portal's form. */
export function usbPermissionId({ vendor, product, properties }: UsbDevice): string {
  return `device:${vendor}/${product}/${properties.get("ID_SERIAL") ?? ""}`;
}

const longestName = 60;

/** A device's name for a person who is asked; what it says of itself is cut, and its numbers always follow. */
export function usbDeviceLabel({ vendor, product, properties }: UsbDevice): string {
  const of = (kind: "VENDOR" | "MODEL"): string =>
    properties.get(`ID_${kind}_FROM_DATABASE`) ??
    (properties.get(`ID_${kind}_ENC`) ?? "").replaceAll(/(?:\\x[0-9a-f]{2})+/g, (bytes) =>
      Buffer.from(bytes.replaceAll("\\x", ""), "hex").toString("utf8"),
    );
  const said = `${of("VENDOR")} ${of("MODEL")}`.replaceAll(/[\p{C}\s]+/gu, " ").trim();
  return `“${said.slice(0, longestName)}” (${vendor}:${product})`;
}
