// SPDX-License-Identifier: Apache-2.0
import type { Bus } from "../../metadata/permissions/names.ts";
import type { BusSpecification } from "./types.ts";

/** What a sandbox may do on a bus, as options of xdg-dbus-proxy(1), and `--ask=NAME`: it sees the name, and may ask for more. */
export function busOptionsOf(bus: Bus, specification: BusSpecification): readonly string[] {
  const { access, log, see, talk, own, ask, calls, broadcasts } = specification;
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
    ...ask.map((name) => `--ask=${name}`),
    ...calls.map((rule) => `--call=${rule}`),
    ...broadcasts.map((rule) => `--broadcast=${rule}`),
  ];
}
