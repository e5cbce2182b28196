// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DowelError } from "../../base/errors.ts";
import type { Report } from "../../base/events.ts";
import { userName } from "../../sys/username.ts";
import { runTool } from "../tools.ts";
import type { Recipe } from "./decode.ts";
import { hostMirrors } from "./mirrors.ts";

const debianArches: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
  i386: "i386",
  arm: "armhf",
  ppc64le: "ppc64el",
  riscv64: "riscv64",
};

/** The mirrors to use, in the form that mmdebstrap takes. */
export function chooseMirrors(recipe: Recipe): readonly string[] {
  const mirrors = recipe.mirrors.length > 0 ? recipe.mirrors : hostMirrors(recipe.suite);
  if (mirrors.length > 0) return mirrors;
  const components = componentsOf(recipe).join(" ");
  return [
    `deb http://deb.debian.org/debian ${recipe.suite} ${components}`,
    `deb http://deb.debian.org/debian-security ${recipe.suite}-security ${components}`,
  ];
}

function componentsOf(recipe: Recipe): readonly string[] {
  return recipe.components.length > 0 ? recipe.components : ["main"];
}

/** Archives of `/usr`, `/etc` and the list of packages, for the platform and the Sdk. */
export interface Bootstrapped {
  readonly platform: readonly string[];
  readonly sdk: readonly string[];
  readonly platformStatus: string;
  readonly sdkStatus: string;
}

/**
 * Installs the packages with mmdebstrap into a temporary root, first those of the platform, then those of the Sdk on
 * top, and packs what is there after each. Works as root, and as a user who has ids of their own in /etc/subuid.
 */
export async function bootstrap(
  recipe: Recipe,
  arch: string,
  folder: string,
  report: Report,
  signal: AbortSignal | undefined,
): Promise<Bootstrapped> {
  const file = (name: string): string => join(folder, name);
  const result: Bootstrapped = {
    platform: [file("platform-usr.tar"), file("platform-etc.tar")],
    sdk: recipe.sdk === undefined ? [] : [file("sdk-usr.tar"), file("sdk-etc.tar")],
    platformStatus: file("platform-status"),
    sdkStatus: file("sdk-status"),
  };
  const hooks = packHooks(result.platform, result.platformStatus);
  if (recipe.sdk !== undefined) {
    if (recipe.sdkPackages.length > 0) hooks.push(installHook(recipe.sdkPackages));
    hooks.push(...packHooks(result.sdk, result.sdkStatus));
  }
  const debianArch = debianArches[arch] ?? arch;
  report({ type: "build.command", stage: "packages", command: `mmdebstrap ${recipe.suite} (${debianArch})` });
  const words = [
    "--variant=essential",
    "--format=null",
    `--architectures=${debianArch}`,
    `--components=${componentsOf(recipe).join(",")}`,
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Retries "3"',
    `--include=${recipe.packages.join(",")}`,
    ...hooks.map((hook) => `--customize-hook=${hook}`),
    recipe.suite,
    "-",
    ...chooseMirrors(recipe),
  ];
  const { program, before, variables } = chooseMode(folder);
  const shared = { doing: `Cannot install the packages of ${recipe.id}`, code: "RECIPE_FAILED", signal } as const;
  // asked for alone, so that its absence has a message of its own
  await runTool("mmdebstrap", ["--version"], shared);
  await runTool(program, [...before, ...words], {
    ...shared,
    env: { SOURCE_DATE_EPOCH: "0", ...variables },
    output: (text) => report({ type: "build.output", stage: "packages", text }),
  });
  return result;
}

function packHooks([usr = "", etc = ""]: readonly string[], status: string): string[] {
  for (const path of [usr, etc, status]) {
    if (/[^A-Za-z0-9_./+-]/.test(path)) {
      throw new DowelError("UNSUPPORTED", `${path}: the state folder needs a path of letters, digits and _ . / + -`, {
        hint: "Choose another one with --state-dir.",
      });
    }
  }
  return [`tar-out /usr ${usr}`, `tar-out /etc ${etc}`, `download /var/lib/dpkg/status ${status}`];
}

function installHook(packages: readonly string[]): string {
  const options = '-o DPkg::Chroot-Directory="$1" -o Dpkg::Use-Pty=0';
  return `APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes ${options} install ${packages.join(" ")}`;
}

interface Mode {
  readonly program: string;
  readonly before: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

/** As root mmdebstrap would mount in everybody's view, and leave it there when it is ended by force. */
function chooseMode(folder: string): Mode {
  if (process.geteuid?.() === 0) {
    const before = ["--mount", "--propagation=private", "mmdebstrap", "--mode=root"];
    return { program: "unshare", before, variables: { TMPDIR: folder } };
  }
  const uid = process.getuid?.() ?? 0;
  const username = userName(uid);
  const lines = existsSync("/etc/subuid") ? readFileSync("/etc/subuid", "utf8").split("\n") : [];
  if (lines.some((line) => line.startsWith(`${username}:`) || line.startsWith(`${uid}:`))) {
    return { program: "mmdebstrap", before: ["--mode=unshare"], variables: {} };
  }
  throw new DowelError("UNSUPPORTED", `User ${username} has no ids in /etc/subuid, which making a runtime needs`, {
    hint: `Run this as root, or once: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}`,
  });
}

/** The installed packages of a dpkg status file, one `NAME VERSION ARCH` a line, in order. */
export function listPackages(status: string): string {
  const lines = status.split("\n\n").flatMap((stanza) => {
    const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1] ?? "";
    if (!field("Status").endsWith(" installed")) return [];
    return [`${field("Package")} ${field("Version")} ${field("Architecture")}\n`];
  });
  return lines.sort().join("");
}
