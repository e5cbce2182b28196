// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { parseFilesystem } from "./filesystem.ts";
import { checkLimit } from "./limits.ts";
import { mergePermissions, mergeValues } from "./merge.ts";
import { noPermissions, type Permissions } from "./model.ts";
import {
  type Bus,
  type BusPolicy,
  type GrantList,
  hasControlCharacters,
  isBusName,
  isVariableName,
  knownNames,
} from "./names.ts";
import { parseUsbQuery } from "./usb.ts";

type Reader = (value: string, option: string) => Partial<Permissions>;

function invalid(option: string, value: string, expected: string): DowelError {
  return new DowelError("PERMISSION_INVALID", `${option}=${JSON.stringify(value)}: expected ${expected}`);
}

function checkName(list: GrantList, name: string, option: string, value: string): void {
  if (!knownNames[list].has(name)) throw invalid(option, value, `one of ${[...knownNames[list]].join(", ")}`);
}

function grant(list: GrantList, allowed: boolean): Reader {
  return (name, option) => {
    checkName(list, name, option, name);
    return { [list]: new Map([[name, { allowed, reset: true, conditions: [] }]]) };
  };
}

function conditional(list: GrantList): Reader {
  return (value, option) => {
    const [name = "", condition = "", ...rest] = value.split(":");
    if (condition === "" || rest.length > 0 || /[;\s]/.test(condition) || hasControlCharacters(condition)) {
      throw invalid(option, value, "NAME:CONDITION");
    }
    checkName(list, name, option, value);
    if (name === "fallback-x11")
      throw invalid(option, value, "a name other than fallback-x11, which is conditional itself");
    return { [list]: new Map([[name, { allowed: false, reset: false, conditions: [condition] }]]) };
  };
}

function filesystem(denied: boolean): Reader {
  return (value, option) => {
    const token = parseFilesystem(denied ? `!${value}` : value);
    if (typeof token === "string") {
      throw invalid(option, value, `host, home, /PATH, ~/PATH or an xdg name, with :ro, :rw or :create (${token})`);
    }
    return { filesystems: new Map([[token.path, token.mode]]), filesystemsReset: token.reset };
  };
}

function environment(value: string, option: string): Partial<Permissions> {
  const equals = value.indexOf("=");
  const name = value.slice(0, Math.max(equals, 0));
  if (!isVariableName(name) || value.includes("\0")) throw invalid(option, value, "NAME=VALUE");
  return { environment: new Map([[name, value.slice(equals + 1)]]) };
}

function unsetEnvironment(name: string, option: string): Partial<Permissions> {
  if (!isVariableName(name)) throw invalid(option, name, "the name of a variable");
  return { environment: new Map([[name, undefined]]) };
}

function busPolicy(bus: Bus, policy: BusPolicy): Reader {
  return (name, option) => {
    if (!isBusName(name)) throw invalid(option, name, "a D-Bus name");
    return { busPolicies: { ...noPermissions.busPolicies, [bus]: new Map([[name, policy]]) } };
  };
}

function policy(removed: boolean): Reader {
  return (value, option) => {
    const match = /^([^.=]+)\.([^=]+)=(.*)$/s.exec(value);
    if (match === null || hasControlCharacters(value)) throw invalid(option, value, "SUBSYSTEM.KEY=VALUE");
    const [, subsystem = "", key = "", item = ""] = match;
    return { policies: new Map([[subsystem, new Map([[key, mergeValues([], [removed ? `!${item}` : item])]])]]) };
  };
}

function usb(hidden: boolean): Reader {
  return (value, option) => {
    const query = parseUsbQuery(value);
    if (query === undefined) throw invalid(option, value, "all, or vnd:HHHH, dev:HHHH and cls:HH:HH joined by +");
    return { usb: hidden ? { enumerable: [], hidden: [query] } : { enumerable: [query], hidden: [] } };
  };
}

function usbList(value: string, option: string): Partial<Permissions> {
  const items = value.split(";").filter((item) => item !== "");
  return items.reduce<Permissions>((layer, item) => {
    const read = usb(item.startsWith("!"));
    return mergePermissions(layer, { ...noPermissions, ...read(item.replace(/^!/, ""), option) });
  }, noPermissions);
}

function persist(path: string, option: string): Partial<Permissions> {
  if (path === "" || path.split("/").includes("..") || hasControlCharacters(path)) {
    throw invalid(option, path, "a path below the home, without ..");
  }
  return { persistent: [path] };
}

function limit(value: string, option: string): Partial<Permissions> {
  const [name = "", ...rest] = value.split("=");
  const text = rest.join("=");
  const checked = checkLimit(name, text);
  if ("expected" in checked) {
    throw invalid(option, value, rest.length === 0 ? "NAME=VALUE, such as memory=512M" : checked.expected);
  }
  return { limits: new Map([[checked.name, text]]) };
}

const readers: ReadonlyMap<string, Reader> = new Map([
  ["--share", grant("shared", true)],
  ["--unshare", grant("shared", false)],
  ["--share-if", conditional("shared")],
  ["--socket", grant("sockets", true)],
  ["--nosocket", grant("sockets", false)],
  ["--socket-if", conditional("sockets")],
  ["--device", grant("devices", true)],
  ["--nodevice", grant("devices", false)],
  ["--device-if", conditional("devices")],
  ["--allow", grant("features", true)],
  ["--disallow", grant("features", false)],
  ["--allow-if", conditional("features")],
  ["--filesystem", filesystem(false)],
  ["--nofilesystem", filesystem(true)],
  ["--env", environment],
  ["--unset-env", unsetEnvironment],
  ["--own-name", busPolicy("session", "own")],
  ["--talk-name", busPolicy("session", "talk")],
  ["--no-talk-name", busPolicy("session", "none")],
  ["--system-own-name", busPolicy("system", "own")],
  ["--system-talk-name", busPolicy("system", "talk")],
  ["--system-no-talk-name", busPolicy("system", "none")],
  ["--a11y-own-name", busPolicy("a11y", "own")],
  ["--add-policy", policy(false)],
  ["--remove-policy", policy(true)],
  ["--usb", usb(false)],
  ["--nousb", usb(true)],
  ["--usb-list", usbList],
  ["--persist", persist],
  ["--limit", limit],
]);

/** The permission options of the command line that take a value, with the dashes. */
export const permissionOptions: readonly string[] = [...readers.keys()];

/**
 * Puts one permission option, as `run`, `override` and `finish-args` take it, over a layer: `--share=network`.
 * Throws `PERMISSION_INVALID` for an unknown option and for a value that is malformed or unknown.
 */
export function applyPermissionOption(permissions: Permissions, option: string): Permissions {
  const equals = option.indexOf("=");
  const name = equals < 0 ? option : option.slice(0, equals);
  const read = readers.get(name);
  if (read === undefined || equals < 0) {
    throw new DowelError("PERMISSION_INVALID", `Unknown permission option ${JSON.stringify(option)}`, {
      hint: "Permission options have the form --NAME=VALUE; flatpak-build-finish(1) lists them.",
    });
  }
  return mergePermissions(permissions, { ...noPermissions, ...read(option.slice(equals + 1), name) });
}
