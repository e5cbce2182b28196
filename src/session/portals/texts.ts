// SPDX-License-Identifier: Apache-2.0
import { limits } from "../../base/limits.ts";
import { BusCallError } from "../../dbus/errors.ts";
import { valueAs } from "../../formats/dbus/types.ts";
import { portalErrors } from "./errors.ts";
import type { Options } from "./portal.ts";

export function invalidArgument(what: string): BusCallError {
  return new BusCallError(portalErrors.invalidArgument, what);
}

/** An option's text, "" where there is none. Throws `InvalidArgument` for another type and for too long a text. */
export function textOf(options: Options, key: string): string {
  const found = options.get(key);
  const text = valueAs("s", found);
  if (text === undefined && found !== undefined) throw invalidArgument(`${key} must be a text`);
  if ((text?.length ?? 0) > limits.portalTextBytes) throw invalidArgument(`${key} is too long`);
  return text ?? "";
}

/** An option's texts, together with that of its older form of one text. Throws `InvalidArgument`. */
export function textsOf(options: Options, key: string, oneKey?: string): readonly string[] {
  const found = options.get(key);
  const texts = valueAs("as", found);
  if (texts === undefined && found !== undefined) throw invalidArgument(`${key} must be a list of texts`);
  const one = oneKey === undefined ? "" : textOf(options, oneKey);
  const all = [...(one === "" ? [] : [one]), ...(texts ?? [])];
  if (all.join("").length > limits.portalTextBytes) throw invalidArgument(`${key} is too long`);
  return all;
}

/** An option that is on or off. Throws `InvalidArgument` for another type. */
export function switchOf(options: Options, key: string, otherwise: boolean): boolean {
  const found = options.get(key);
  const value = valueAs("b", found);
  if (value === undefined && found !== undefined) throw invalidArgument(`${key} must be true or false`);
  return value ?? otherwise;
}
