// SPDX-License-Identifier: Apache-2.0
import { hostArch } from "../base/arch.ts";
import { version } from "../base/version.ts";
import { commands } from "./commands.ts";
import { formatOverview } from "./overview.ts";

const answers: Readonly<Record<string, (options: readonly string[]) => Promise<string> | string>> = {
  "--version": () => `Dowel ${version}\n`,
  "--default-arch": () => `${hostArch()}\n`,
  "--supported-arches": () => `${hostArch()}\n${hostArch() === "x86_64" ? "i386\n" : ""}`,
  "--gl-drivers": async () => {
    const { glDrivers } = await import("../engine/extensions.ts");
    return `${glDrivers().join("\n")}\n`;
  },
  "--installations": async () => {
    const { systemFolders } = await import("../engine/environment.ts");
    return `${systemFolders(process.env).join("\n")}\n`;
  },
  "--print-updated-env": async (options) => {
    const { updatedDataDirs } = await import("../engine/environment.ts");
    return `XDG_DATA_DIRS=${updatedDataDirs(process.env, options.includes("--print-system-only"))}\n`;
  },
};

/** Answers the options that need no command; undefined where there is none of them. */
export async function answerBareOption(options: readonly string[]): Promise<string | undefined> {
  const answer = Object.entries(answers).find(([option]) => options.includes(option))?.[1];
  if (answer !== undefined) return await answer(options);
  if (options.length === 0 || options.includes("--help") || options.includes("-h")) return formatOverview(commands);
  return undefined;
}
