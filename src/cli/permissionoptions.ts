// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { DowelError, fileError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { decodeUtf8 } from "../base/text.ts";
import { permissionOptions } from "../metadata/permissions/options.ts";
import { readUsbListFile } from "../metadata/permissions/usb.ts";
import { orderedOptions } from "./words.ts";

const direct: ReadonlySet<string> = new Set(permissionOptions);
const fromFiles: ReadonlySet<string> = new Set(["--env-fd", "--usb-list-file"]);
const all: ReadonlySet<string> = new Set([...direct, ...fromFiles]);

function readText(source: number | string, option: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(source);
  } catch (error) {
    throw fileError(error, "read", option);
  }
  if (bytes.length > limits.keyfileBytes) {
    throw new DowelError("LIMIT_EXCEEDED", `${option}: ${bytes.length} bytes; ${limits.keyfileBytes} are allowed`);
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new DowelError("PERMISSION_INVALID", `${option}: the text must be valid UTF-8`);
  return text;
}

/** Variables from a descriptor, `NAME=VALUE` with NUL after each, so that they are on no command line. */
function readEnvironment(option: string, value: string): string[] {
  if (!/^[0-9]{1,6}$/.test(value)) {
    throw new DowelError("PERMISSION_INVALID", `${option}: expected the number of an open descriptor`);
  }
  const items = readText(Number(value), option).split("\0");
  return items.filter((item) => item !== "").map((item) => `--env=${item}`);
}

function expand(option: string): string[] {
  const equals = option.indexOf("=");
  const value = option.slice(equals + 1);
  if (option.startsWith("--env-fd=")) return readEnvironment(option, value);
  if (option.startsWith("--usb-list-file=")) return readUsbListFile(readText(value, option));
  return [option];
}

/** The permission options among a command's words, in the order typed, those that name files replaced by what they hold. */
export function typedPermissions(words: readonly string[]): string[] {
  return orderedOptions(words, all, (option) => all.has(option), false).flatMap(expand);
}

/** Whether some of the permissions come from files, and so cannot be known by the words. */
export function takesFiles(words: readonly string[]): boolean {
  return orderedOptions(words, all, (option) => fromFiles.has(option), false).length > 0;
}
