// SPDX-License-Identifier: Apache-2.0
import { offeredAttestation } from "../engine/attestations.ts";
import { type RemoteInfo, remoteInfo } from "../engine/remoteinfo.ts";
import { formatFields } from "../render/fields.ts";
import type { Result } from "../render/result.ts";
import { formatSize } from "../render/size.ts";
import { askedAttestation, attestationFlags, attestationResult } from "./attested.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import {
  optionalArgument,
  type SelectionFlags,
  selectionAliases,
  selectionFlags,
  switchFlag,
  textArgument,
  textFlag,
} from "./flags.ts";
import { installationsToRead, kindOf } from "./transaction.ts";

interface Flags extends SelectionFlags {
  readonly commit?: string;
  readonly log?: boolean;
  readonly cached?: boolean;
  readonly sideloaded?: boolean;
  readonly showRef?: boolean;
  readonly showCommit?: boolean;
  readonly showParent?: boolean;
  readonly showMetadata?: boolean;
  readonly showRuntime?: boolean;
  readonly showSdk?: boolean;
  readonly sbom?: boolean;
  readonly provenance?: boolean;
}

function date(seconds: number | undefined): string {
  if (seconds === undefined) return "";
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? "" : `${time.toISOString().replace("T", " ").slice(0, 19)} +0000`;
}

/** Single fields that an option asks for, bare on one line, as Flatpak prints them. */
function singleFields(found: RemoteInfo, flags: Flags): string[] {
  const fields: readonly (readonly [boolean | undefined, string])[] = [
    [flags.showRef, found.ref],
    [flags.showCommit, found.commit],
    [flags.showParent, found.parent],
    [flags.showRuntime, found.runtime],
    [flags.showSdk, found.sdk],
  ];
  return fields.flatMap(([asked, value]) => (asked === true ? [value] : []));
}

const sizeText = (bytes: number): string => (bytes === 0 ? "unknown" : formatSize(bytes));

function describe(found: RemoteInfo): string {
  const head = found.summary === "" ? found.name : `${found.name} - ${found.summary}`;
  const fields = formatFields([
    ["ID", found.id],
    ["Ref", found.ref],
    ["Arch", found.arch],
    ["Branch", found.branch],
    ["Version", found.version],
    ["License", found.license],
    ["Remote", found.remote],
    ["Download", sizeText(found.downloadSize)],
    ["Installed", sizeText(found.installedSize)],
    ["Runtime", found.runtime],
    ["Sdk", found.sdk],
    ["End-of-life", found.endOfLife],
    ["End-of-life-rebase", found.endOfLifeRebase],
    ["Commit", found.commit],
    ["Parent", found.parent],
    ["Subject", found.subject],
    ["Date", date(found.timestamp)],
  ]);
  const versions = found.log.map(({ commit, subject, timestamp }) =>
    formatFields([
      ["Commit", commit],
      ["Subject", subject],
      ["Date", date(timestamp)],
    ]),
  );
  const log = versions.length === 0 ? "" : `\nHistory:\n\n${versions.join("\n")}`;
  return `\n${formatFields([["", head]])}\n${fields}${log}`;
}

async function run(context: Context, flags: Flags, remote: string, ref: string, branch?: string): Promise<Result> {
  const { arch, commit, cached, sideloaded, log } = flags;
  const name = branch === undefined ? ref : `${ref}//${branch}`;
  const options = { arch, commit, cached, sideloaded, log, kind: kindOf(flags), signal: context.signal };
  const asked = askedAttestation(flags);
  if (asked !== undefined) {
    const attested = await offeredAttestation(installationsToRead(flags), remote, name, asked, options);
    return attestationResult(attested, flags.json === true);
  }
  const found = await remoteInfo(installationsToRead(flags), remote, name, options);
  if (flags.showMetadata === true) return { kind: "text", text: found.metadata };
  const single = singleFields(found, flags);
  if (single.length > 0) return { kind: "text", text: `${single.join(" ")}\n` };
  if (flags.json !== true) return { kind: "text", text: describe(found) };
  const pairs = Object.entries(found).map(([key, value]) => [
    key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return { kind: "json", value: Object.fromEntries(pairs) };
}

export default defineCommand<Flags, [string, string, string?]>({
  brief: "Show what a remote says of an app or runtime",
  examples: [
    ["remote-info example org.example.App", "shows everything"],
    ["remote-info --show-metadata example org.example.App", "prints the metadata, with the permissions"],
    ["remote-info --log example org.example.App", "shows the versions that its registry has as well"],
    ["remote-info --sbom example org.example.App", "lists what it was made of"],
    ["remote-info --json example org.example.App", "prints everything for programs"],
  ],
  parameters: {
    flags: {
      ...selectionFlags,
      commit: textFlag("Show this version", "COMMIT"),
      log: switchFlag("Show the versions that tags stand for, too"),
      cached: switchFlag("Do not ask the registry"),
      sideloaded: switchFlag("Only what is on media or in folders of layouts, without asking the registry"),
      ...attestationFlags,
      showRef: switchFlag("Print the ref"),
      showCommit: switchFlag("Print the commit"),
      showParent: switchFlag("Print the commit before it"),
      showMetadata: switchFlag("Print the metadata"),
      showRuntime: switchFlag("Print the runtime"),
      showSdk: switchFlag("Print the Sdk"),
    },
    aliases: { ...selectionAliases, r: "showRef", c: "showCommit", p: "showParent", m: "showMetadata" },
    positional: {
      kind: "tuple",
      parameters: [
        textArgument("Name of a remote, or a location", "REMOTE"),
        textArgument("App or runtime", "REF"),
        optionalArgument("Branch", "BRANCH"),
      ],
    },
  },
  run,
});
