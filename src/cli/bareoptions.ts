// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../base/arch.ts";
import { version } from "../base/version.ts";
import type { CommandSet } from "./context.ts";
import { formatOverview } from "./overview.ts";

interface BareOption {
  readonly brief: string;
  readonly answer: (options: readonly string[]) => Promise<string> | string;
}

const answered: Readonly<Record<string, BareOption>> = {
  "--version": { brief: "Print the program's version", answer: () => `Dowel ${version}\n` },
  "--default-arch": { brief: "Print the architecture of this machine", answer: () => `${hostArch()}\n` },
  "--supported-arches": {
    brief: "Print the architectures whose apps run here, the best first",
    answer: () => `${hostArch()}\n${hostArch() === "x86_64" ? "i386\n" : ""}`,
  },
  "--gl-drivers": {
    brief: "Print the names of the GL drivers for which extensions are looked for",
    answer: async () => {
      const { glDrivers } = await import("../engine/extensions.ts");
      return `${glDrivers().join("\n")}\n`;
    },
  },
  "--installations": {
    brief: "Print the folders of the system's installations",
    answer: async () => {
      const { systemFolders } = await import("../engine/environment.ts");
      return `${systemFolders(process.env).join("\n")}\n`;
    },
  },
  "--print-updated-env": {
    brief: "Print XDG_DATA_DIRS with what the installed apps export; with --print-system-only, without the user's",
    answer: async (options) => {
      const { updatedDataDirs } = await import("../engine/environment.ts");
      return `XDG_DATA_DIRS=${updatedDataDirs(process.env, options.includes("--print-system-only"))}\n`;
    },
  },
};

/** The options that need no command, with what they do. */
export const bareOptions: readonly (readonly [name: string, brief: string])[] = Object.entries(answered).map(
  ([name, { brief }]) => [name, brief],
);

/** Answers the options that need no command; undefined where there is none of them. */
export async function answerBareOption(
  options: readonly string[],
  { commands }: CommandSet,
): Promise<string | undefined> {
  const found = Object.entries(answered).find(([option]) => options.includes(option))?.[1];
  if (found !== undefined) return await found.answer(options);
  if (options.length === 0 || options.includes("--help") || options.includes("-h")) return formatOverview(commands);
  return undefined;
}
