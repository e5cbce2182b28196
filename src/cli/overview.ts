// SPDX-License-Identifier: Apache-2.0

interface Listed {
  readonly brief: string;
  readonly hidden?: boolean;
}

const sections: readonly (readonly [title: string, names: readonly string[]])[] = [
  [
    "Apps and runtimes",
    [
      ...["install", "update", "uninstall", "list", "info", "run", "override", "rollback", "history", "repair"],
      ...["verify", "make-current", "pin", "mask", "config", "preinstall", "create-usb", "apply", "export-state"],
    ],
  ],
  ["What runs", ["ps", "enter", "kill", "why", "session serve", "session status"]],
  [
    "Data of apps",
    [
      ...["data", "data backup", "data restore"],
      ...["profile list", "profile copy", "profile remove", "profile export", "profile import"],
    ],
  ],
  [
    "Remotes",
    [
      ...["search", "remotes", "remote-add", "remote-modify", "remote-delete", "remote-ls", "remote-info"],
      ...["login", "logout"],
    ],
  ],
  ["Building and publishing", ["build", "push", "registry serve"]],
];

/** Text of `dowel --help`: every command that is not hidden, by what it is for. */
export function formatOverview(commands: Readonly<Record<string, Listed>>): string {
  const listed = new Set(sections.flatMap(([, names]) => names));
  const others = Object.keys(commands).filter((name) => !listed.has(name) && commands[name]?.hidden !== true);
  const all = others.length === 0 ? sections : [...sections, ["More", others] as const];
  const width = Math.max(...all.flatMap(([, names]) => names.map((name) => name.length)));
  const body = all.map(([title, names]) => {
    const lines = names.map((name) => `  ${name.padEnd(width)}  ${commands[name]?.brief ?? ""}\n`);
    return `\n${title}:\n${lines.join("")}`;
  });
  const usage = "Usage: dowel [OPTION…] COMMAND\n";
  const end =
    "\nOptions: --version  --default-arch  --supported-arches  --gl-drivers  --installations  --print-updated-env [--print-system-only]  --help\n'dowel COMMAND --help' tells more of a command.\n";
  return `${usage}${body.join("")}${end}`;
}
