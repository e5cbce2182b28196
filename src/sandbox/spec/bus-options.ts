// SPDX-License-Identifier: Apache-2.0
import type { Bus } from "../../metadata/permissions/names.ts";
import type { BusSpecification } from "./types.ts";

/** What a sandbox may do on a bus, as options of xdg-dbus-proxy(1). */
export function busOptionsOf(bus: Bus, specification: BusSpecification): readonly string[] {
  const { access, log, see, talk, own, calls, broadcasts } = specification;
  if (access === "none") return ["--filter"];
  const logged = log ? ["--log"] : [];
  if (access === "whole") return logged;
  return [
    "--filter",
    ...logged,
    // Assistive technologies follow the comings and goings of programs by their unique names.
    ...(bus === "a11y" ? ["--sloppy-names"] : []),
    ...see.map((name) => `--see=${name}`),
    ...talk.map((name) => `--talk=${name}`),
    ...own.map((name) => `--own=${name}`),
    ...calls.map((rule) => `--call=${rule}`),
    ...broadcasts.map((rule) => `--broadcast=${rule}`),
  ];
}
