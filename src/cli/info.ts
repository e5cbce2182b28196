// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { installedAttestation } from "../engine/attestations.ts";
import { type ExtensionInfo, listExtensions } from "../engine/extensions.ts";
import { type InstalledInfo, info } from "../engine/info.ts";
import { boundsOf, effectivePermissionsText, fileAccess, plainRequest } from "../engine/run/read.ts";
import { sizeOf } from "../engine/sizes.ts";
import { parseProfile } from "../metadata/profile.ts";
import { formatRef } from "../metadata/ref.ts";
import { formatFields } from "../render/fields.ts";
import type { Result } from "../render/result.ts";
import { formatSize } from "../render/size.ts";
import { askedAttestation, attestationFlags, attestationResult } from "./attested.ts";
import type { Context } from "./context.ts";
import { defineCommand } from "./define.ts";
import {
  type InstallationFlags,
  installationFlags,
  jsonFlag,
  optionalArgument,
  switchFlag,
  textArgument,
  textFlag,
} from "./flags.ts";
import { installationChoice, installationsToRead } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly arch?: string;
  readonly showRef?: boolean;
  readonly showCommit?: boolean;
  readonly showOrigin?: boolean;
  readonly showSize?: boolean;
  readonly size?: boolean;
  readonly showMetadata?: boolean;
  readonly showPermissions?: boolean;
  readonly fileAccess?: string;
  readonly profile?: string;
  readonly showLocation?: boolean;
  readonly showRuntime?: boolean;
  readonly showSdk?: boolean;
  readonly showExtensions?: boolean;
  readonly sbom?: boolean;
  readonly provenance?: boolean;
  readonly json?: boolean;
}

/** Single fields that an option asks for, bare on one line, as Flatpak prints them. */
function singleFields(found: InstalledInfo, flags: Flags): string[] {
  const fields: readonly (readonly [boolean | undefined, string])[] = [
    [flags.showRef, found.ref],
    [flags.showOrigin, found.origin],
    [flags.showCommit, found.commit],
    [flags.showSize, String(found.installedSize)],
    [flags.showRuntime, found.runtime],
    [flags.showSdk, found.sdk],
    [flags.showLocation, found.location],
  ];
  return fields.flatMap(([asked, value]) => (asked === true ? [value] : []));
}

function describe(found: InstalledInfo, bounds: ReturnType<typeof boundsOf> | undefined): string {
  const date = (seconds: number): string =>
    `${new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 19)} +0000`;
  const head = found.summary === "" ? found.name : `${found.name} - ${found.summary}`;
  const fields = formatFields([
    ["ID", found.id],
    ["Ref", found.ref],
    ["Arch", found.arch],
    ["Branch", found.branch],
    ["Version", found.version],
    ["License", found.license],
    ["Origin", found.origin],
    ["Source", found.source],
    ["Installation", found.installation],
    ["Installed", formatSize(found.installedSize)],
    ["Runtime", found.runtime],
    ["Sdk", found.sdk],
    ["Shown as", found.shownAs],
    ["Subdirectories", found.subpaths.join(",")],
    ["Limits", bounds?.limits.join(" ") ?? ""],
    ["Landlock", bounds?.landlock ?? ""],
    ["Commit", found.commit],
    ["Parent", found.parent],
    ["Subject", found.subject],
    ["Date", found.timestamp === undefined ? "" : date(found.timestamp)],
    ["Deployed", date(found.deployedAt)],
    ["Location", found.location],
  ]);
  return `\n${formatFields([["", head]])}\n${fields}`;
}

/** What Flatpak prints of each extension, after the rest. */
function extensionsText(extensions: readonly ExtensionInfo[]): string {
  const blocks = extensions.map(({ ref, id, origin, commit, installedSize }) =>
    formatFields([
      ["Extension", ref],
      ["ID", id],
      ["Origin", origin ?? "-"],
      ["Commit", commit ?? "unmaintained"],
      ["Installed", installedSize === undefined ? "unknown" : formatSize(installedSize)],
    ]),
  );
  return blocks.map((block) => `\n${block}`).join("");
}

/** The start that is told of. */
function requestOf(flags: Flags, name: string): ReturnType<typeof plainRequest> {
  return plainRequest({ name, installations: installationChoice(flags), profile: parseProfile(flags.profile) });
}

/** What the two options print that look at overrides and the host as well. */
async function permissionText(context: Context, flags: Flags, ref: string): Promise<string | undefined> {
  const request = requestOf(flags, ref);
  if (flags.showPermissions === true) return effectivePermissionsText(request);
  if (flags.fileAccess === undefined) return undefined;
  return `${await fileAccess(request, resolve(flags.fileAccess), context.signal)}\n`;
}

/** What something costs: all its contents, what nothing else needs, and what it shares. */
function costs(flags: Flags, name: string): Result {
  const { ref, total, unique } = sizeOf(installationsToRead(flags), name, { arch: flags.arch });
  const shared = total - unique;
  if (flags.json === true) return { kind: "json", value: { ref: formatRef(ref), total, unique, shared } };
  const fields = formatFields([
    ["Ref", formatRef(ref)],
    ["All contents", formatSize(total)],
    ["Freed when removed", formatSize(unique)],
    ["Shared with others", formatSize(shared)],
  ]);
  return { kind: "text", text: fields };
}

async function run(context: Context, flags: Flags, name: string, branch?: string): Promise<Result> {
  const wanted = branch === undefined ? name : `${name}//${branch}`;
  if (flags.size === true) return costs(flags, wanted);
  const asked = askedAttestation(flags);
  if (asked !== undefined) {
    const options = { arch: flags.arch, signal: context.signal };
    const attested = await installedAttestation(installationsToRead(flags), wanted, asked, options);
    return attestationResult(attested, flags.json === true);
  }
  const found = info(installationsToRead(flags), wanted, { arch: flags.arch });
  if (flags.showMetadata === true) return { kind: "text", text: found.metadata };
  const text = await permissionText(context, flags, found.ref);
  if (text !== undefined) return { kind: "text", text };
  const single = singleFields(found, flags);
  const bounds = () => (found.kind === "app" ? boundsOf(requestOf(flags, found.ref)) : undefined);
  const extensions = flags.showExtensions === true ? listExtensions(installationsToRead(flags), found.ref) : undefined;
  if (single.length > 0 && extensions === undefined) return { kind: "text", text: `${single.join(" ")}\n` };
  if (flags.json === true) {
    const pairs = Object.entries(found).map(([key, value]) => [
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]);
    return { kind: "json", value: { ...Object.fromEntries(pairs), ...bounds(), ...(extensions && { extensions }) } };
  }
  if (extensions === undefined) return { kind: "text", text: describe(found, bounds()) };
  const head = single.length > 0 ? `${single.join(" ")}\n` : describe(found, bounds());
  return { kind: "text", text: head + extensionsText(extensions) };
}

export default defineCommand<Flags, [string, string?]>({
  brief: "Show what is known about an installed app or runtime",
  examples: [
    ["info org.example.App", "shows everything"],
    ["info --show-metadata org.example.App", "prints the metadata as it was published"],
    ["info --show-permissions org.example.App", "prints what the app may do, with overrides"],
    ["info --file-access=~/Documents org.example.App", "prints what the app can do with a path"],
    ["info --size org.example.App", "shows what it really costs, with what it shares counted out"],
    ["info --sbom org.example.App", "lists what it was made of, as its publisher says"],
    ["info --json org.example.App", "prints everything for programs"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...jsonFlag,
      arch: textFlag("Architecture", "ARCH"),
      showRef: switchFlag("Print the ref"),
      showCommit: switchFlag("Print the commit"),
      showOrigin: switchFlag("Print the remote"),
      size: switchFlag(
        "Show bytes of contents of all its kept versions, each once, and of those that removing it frees",
      ),
      showSize: switchFlag("Print the size in bytes"),
      showMetadata: switchFlag("Print the metadata"),
      showPermissions: switchFlag("Print the permissions; sockets=pulseaudio is playback without the microphone"),
      fileAccess: textFlag("Print what the app can do with a path: hidden, read-only or read-write", "PATH"),
      profile: textFlag("Permissions, limits and access of one of the app's profiles", "NAME"),
      showLocation: switchFlag("Print the folder"),
      showRuntime: switchFlag("Print the runtime"),
      showSdk: switchFlag("Print the Sdk"),
      ...attestationFlags,
      showExtensions: switchFlag("Show the extensions that it gets when it runs"),
    },
    aliases: {
      u: "user",
      r: "showRef",
      c: "showCommit",
      o: "showOrigin",
      s: "showSize",
      m: "showMetadata",
      M: "showPermissions",
      e: "showExtensions",
      l: "showLocation",
      j: "json",
    },
    positional: {
      kind: "tuple",
      parameters: [textArgument("App or runtime", "REF"), optionalArgument("Branch", "BRANCH")],
    },
  },
  run,
});
