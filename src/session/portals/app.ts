// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { BusCallError } from "../../dbus/errors.ts";
import type { Keyfile } from "../../formats/keyfile/keyfile.ts";
import { parseKeyfile } from "../../formats/keyfile/parse.ts";
import { portalErrors } from "./errors.ts";

/** Who calls a portal: the instance whose socket the call came over. Nothing of it is said by the app. */
export interface CallingApp {
  /** The app's id, as the launcher handed it over. */
  readonly id: string;
  /** The instance's number. */
  readonly instance: string;
  /** Of all instances of the user. */
  readonly folder: string;
  /** What the launcher noted of the instance, which the app cannot change; the text of its `/.flatpak-info`. */
  readonly info: () => Keyfile;
  /** The process that the instance began with, in the host's namespace. Throws `NotFound`. */
  readonly child: () => number;
}

/** @param folder of all instances of the user */
export function callingApp(folder: string, id: string, instance: string): CallingApp {
  const read = (name: string): string => {
    try {
      return readFileSync(`${folder}/${instance}/${name}`, "utf8");
    } catch (cause) {
      throw new BusCallError(portalErrors.notFound, "The instance has ended", { cause });
    }
  };
  let info: Keyfile | undefined;
  return {
    id,
    instance,
    folder,
    info: () => {
      info ??= parseKeyfile(read("info"), "info");
      return info;
    },
    child: () => {
      const { "child-pid": pid } = JSON.parse(read("bwrapinfo.json")) as Readonly<Record<string, unknown>>;
      if (typeof pid === "number") return pid;
      throw new BusCallError(portalErrors.notFound, "The instance has no process");
    },
  };
}
