// SPDX-License-Identifier: Apache-2.0
// Whole specifications, one thing a line, so that a change of what a sandbox gets reads as a diff of these files.
// `UPDATE_GOLDEN=1 bun test tests/sandbox/spec/golden.test.ts` writes them anew.
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseKeyfile } from "../../../src/formats/keyfile/parse.ts";
import { readPermissions } from "../../../src/metadata/permissions/codec.ts";
import { noPermissions } from "../../../src/metadata/permissions/model.ts";
import { printableSpecification } from "../../../src/sandbox/spec/print.ts";
import type { Specification } from "../../../src/sandbox/spec/types.ts";
import { specifyExample } from "./fake-host.ts";
import { hosts } from "./hosts.ts";

const folder = join(import.meta.dir, "golden");

/** Permissions of apps as they are found in the wild. */
const apps = {
  nothing: "",
  desktop:
    "[Context]\nshared=network;ipc;\nsockets=wayland;fallback-x11;pulseaudio;cups;\ndevices=dri;\n" +
    "filesystems=xdg-download;xdg-config/toolkit:ro;\npersistent=.example;\n[Environment]\nA=1\n[Session Bus Policy]\norg.a.B=talk\n",
  files:
    "[Context]\nfilesystems=host:ro;home;!~/Documents;/media/stick;xdg-run/gnupg/S.gpg-agent;host-root:ro;~/New:create;\n",
  everything:
    "[Context]\nshared=network;ipc;\nsockets=x11;wayland;pulseaudio;session-bus;system-bus;ssh-auth;pcsc;cups;gpg-agent;\n" +
    "devices=all;shm;\nfeatures=devel;multiarch;bluetooth;canbus;per-app-dev-shm;\nfilesystems=host;\nunset-environment=PS1;\n",
  conditional:
    "[Context]\nshared=network;if:network:has-wayland;\nsockets=wayland;x11;if:x11:!has-wayland;\n" +
    "devices=!all;all;if:all:!has-input-device;input;kvm;if:kvm:from-the-future;if:kvm:!from-the-future;\nfeatures=per-app-dev-shm;\n",
} as const;

const narrowing =
  "[Context]\nshared=!network;\nsockets=!pulseaudio;\nfilesystems=!host:reset;xdg-download:ro;\n[Environment]\nA=2\n";

type App = keyof typeof apps;
type HostName = keyof typeof hosts;

const matrix: readonly (readonly [host: HostName, app: App, overrides: string])[] = [
  ["debian", "nothing", ""],
  ["debian", "desktop", ""],
  ["debian", "desktop", narrowing],
  ["debian", "files", ""],
  ["debian", "files", narrowing],
  ["debian", "everything", ""],
  ["debian", "conditional", ""],
  ["fedora", "desktop", ""],
  ["fedora", "everything", ""],
  ["fedora", "files", ""],
  ["arch", "desktop", ""],
  ["arch", "files", narrowing],
  ["arch", "everything", narrowing],
  ["image", "desktop", ""],
  ["image", "files", ""],
  ["image", "everything", ""],
  ["image", "files", narrowing],
  ["without-wayland", "desktop", ""],
  ["without-wayland", "conditional", ""],
  ["without-wayland", "everything", ""],
  ["bare", "nothing", ""],
  ["bare", "desktop", ""],
  ["bare", "files", ""],
  ["bare", "conditional", ""],
  ["bare", "everything", ""],
];

/** Every leaf of a value as `path: value`, each element of a list on a line of its own. */
function lines(specification: Specification): string {
  const { layer, mounts, environment, data, ...rest } = printableSpecification(specification) as Record<
    string,
    unknown
  >;
  const list = (name: string, items: unknown) => (items as unknown[]).map((item) => `${name} ${JSON.stringify(item)}`);
  const { set, unset, clear } = environment as { set: Record<string, string>; unset: string[]; clear: boolean };
  const variables = Object.entries(set).map(([name, value]) => `set ${name}=${value}`);
  return [
    ...Object.entries(rest).map(([name, value]) => `${name} ${JSON.stringify(value)}`),
    ...list("layer", layer),
    ...list("mount", mounts),
    ...list("data", data),
    `clear ${clear}`,
    ...variables,
    `unset ${unset.join(" ")}`,
    "",
  ].join("\n");
}

describe("specify() on whole machines", () => {
  const names = matrix.map(([host, app, overrides]) => `${host}-${app}${overrides === "" ? "" : "-narrowed"}.txt`);

  test.each(matrix.map((row, index) => [names[index] ?? "", ...row] as const))(
    "specify() gives what golden/%s says",
    (name, host, app, overrides) => {
      const layer = overrides === "" ? noPermissions : readPermissions(parseKeyfile(overrides, "overrides"));
      const session = "XDG_RUNTIME_DIR" in hosts[host].variables ? "/run/user/1000" : undefined;
      const found = lines(
        specifyExample({ context: apps[app], host: hosts[host], input: { overrides: layer, session } }),
      );
      const path = join(folder, name);
      if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, found);
      expect(found).toBe(readFileSync(path, "utf8"));
    },
  );

  test("there is no file without its row", () => {
    expect(readdirSync(folder).sort()).toEqual([...names].sort());
  });
});
