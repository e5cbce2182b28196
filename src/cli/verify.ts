// SPDX-License-Identifier: Apache-2.0
import { escapeForTerminal } from "../base/text.ts";
import { findInstalled } from "../engine/find.ts";
import { shownName } from "../engine/places.ts";
import { type Verified, verifyInstalled } from "../engine/verify.ts";
import { formatRef } from "../metadata/ref.ts";
import type { Result } from "../render/result.ts";
import { formatSize } from "../render/size.ts";
import type { Installation } from "../store/installation.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import { optionalArgument, type SelectionFlags, selectionAliases, selectionFlags, switchFlag } from "./flags.ts";
import { installationsToRead, kindOf } from "./transaction.ts";

interface Flags extends SelectionFlags {
  readonly offline?: boolean;
}

/** Each installation with the refs to look at in it; undefined for all. */
function choose(flags: Flags, name: string | undefined) {
  const installations = installationsToRead(flags);
  if (name === undefined) return installations.map((installation) => ({ installation, refs: undefined }));
  const found = findInstalled(installations, name, { arch: flags.arch, kind: kindOf(flags) });
  return [{ installation: found.installation, refs: [formatRef(found.deployment.ref)] }];
}

function describe({ ref, commit, signers, problems }: Verified): string {
  const by = signers.length === 0 ? "" : `, signed by ${signers.join(" and ")}`;
  const head = `${problems.length === 0 ? "sound" : "WRONG"}  ${ref} ${commit.slice(0, 12)}${by}`;
  return [head, ...problems.map((problem) => `         ${problem}`)]
    .map((line) => `${escapeForTerminal(line)}\n`)
    .join("");
}

async function run(context: Context, flags: Flags, name?: string): Promise<Result> {
  const found: (Verified & { readonly installation: string })[] = [];
  let objects = 0;
  let bytes = 0;
  const look = async (installation: Installation, refs: readonly string[] | undefined) => {
    const signatures = flags.offline !== true;
    const result = await verifyInstalled(installation, { refs, signatures, signal: context.signal });
    found.push(...result.versions.map((version) => ({ installation: shownName(installation), ...version })));
    objects += result.objects;
    bytes += result.bytes;
  };
  for (const { installation, refs } of choose(flags, name)) await look(installation, refs);
  if (found.some(({ problems }) => problems.length > 0)) context.process.exitCode = 1;
  if (flags.json === true) return { kind: "json", value: { versions: found, objects, bytes } };
  const sum = `${found.length} versions, ${objects} files, ${formatSize(bytes)} read\n`;
  return { kind: "text", text: `${found.map(describe).join("")}${sum}` };
}

export default defineCommand<Flags, [string?]>({
  brief: "Hold what is installed against what was published",
  description:
    "Checks signatures against the policy, manifests and images against each other, and every byte of every file. Changes nothing. The exit status is 1 where something is wrong; 'repair' mends it.",
  examples: [
    ["verify", "looks at everything that is installed"],
    ["verify --offline org.example.App", "looks at one app, without asking its registry for signatures"],
    ["verify --system --json", "tells programs what it found"],
  ],
  parameters: {
    flags: {
      ...selectionFlags,
      offline: switchFlag("Do not ask registries for signatures"),
    },
    aliases: selectionAliases,
    positional: { kind: "tuple", parameters: [optionalArgument("Installed ref", "REF")] },
  },
  run,
});
