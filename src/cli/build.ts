// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../base/errors.ts";
import type { Report } from "../base/events.ts";
import { build } from "../builder/build.ts";
import type { ImageLayout } from "../builder/image/image.ts";
import type { LayerCompression } from "../builder/image/layer.ts";
import { manifestFiles, showManifest } from "../builder/manifest/show.ts";
import type { BuiltImage } from "../builder/request.ts";
import { execute } from "../engine/execute.ts";
import { placesToRead } from "../engine/places.ts";
import { prepareInstall } from "../engine/prepareinstall.ts";
import { push } from "../engine/push.ts";
import { parseImageReference } from "../oci/reference.ts";
import { nothing, type Result } from "../render/result.ts";
import { type Context, withReporter } from "./context.ts";
import { defineCommand } from "./define.ts";
import { type InstallationFlags, installationFlags, jsonFlag, switchFlag, textArgument, textFlag } from "./flags.ts";
import { installationForAdding, installationsToRead } from "./transaction.ts";

interface Flags extends InstallationFlags {
  readonly arch?: string;
  readonly output?: string;
  readonly push?: string;
  readonly install?: boolean;
  readonly stateDir?: string;
  readonly defaultBranch?: string;
  readonly layout?: ImageLayout;
  readonly compression?: LayerCompression;
  readonly jobs?: number;
  readonly keepBuildDirs?: boolean;
  readonly disableCache?: boolean;
  readonly cacheLimit?: number;
  readonly stopAt?: string;
  readonly showManifest?: boolean;
  readonly showDeps?: boolean;
  readonly noAttestations?: boolean;
  readonly json?: boolean;
}

function layoutFolder(output: string | undefined): string | undefined {
  if (output === undefined) return undefined;
  const reference = parseImageReference(output);
  if (reference.transport === "oci" && reference.name === undefined) return reference.path;
  throw new DowelError("USAGE", `Cannot write to ${output}: --output takes oci:FOLDER`);
}

function readCount(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new DowelError("USAGE", `Invalid number of jobs ${JSON.stringify(text)}`);
}

const units: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

function readSize(text: string): number {
  const [, number = "", unit = ""] = /^(\d{1,9})([KMGT]?)$/.exec(text) ?? [];
  if (number !== "") return Number(number) * (units[unit] ?? 1);
  throw new DowelError("USAGE", `Invalid size ${JSON.stringify(text)}`, { hint: "Write it as 500M or 10G." });
}

async function install(context: Context, flags: Flags, image: BuiltImage, report: Report): Promise<void> {
  const installation = installationForAdding(flags);
  const shared = { report, signal: context.signal };
  const options = { installations: installationsToRead({}), reinstall: true, ...shared };
  const plan = await prepareInstall(installation, [`oci:${image.layoutDir}`, image.tag], options);
  await execute(plan, installation, shared);
}

async function run(context: Context, flags: Flags, manifestPath: string): Promise<Result> {
  if (flags.showManifest === true) return { kind: "text", text: showManifest(manifestPath) };
  if (flags.showDeps === true) {
    const files = manifestFiles(manifestPath, flags.arch);
    return flags.json === true
      ? { kind: "json", value: files }
      : { kind: "text", text: files.map((file) => `${file}\n`).join("") };
  }
  const layoutDir = layoutFolder(flags.output);
  const { stateDir, layout, compression, arch, defaultBranch, jobs, stopAt, cacheLimit } = flags;
  const given = { layoutDir, stateDir, layout, compression, arch, defaultBranch, jobs, stopAt, cacheLimit };
  await withReporter(context, flags.json === true, async (report) => {
    const images = await build({
      ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
      manifestPath,
      places: placesToRead({}),
      keepBuildDirs: flags.keepBuildDirs ?? false,
      disableCache: flags.disableCache ?? false,
      attest: flags.noAttestations !== true,
      report,
      signal: context.signal,
    });
    for (const image of images) {
      const from = `oci:${image.layoutDir}:${image.tag}`;
      if (flags.push !== undefined)
        await push(from, flags.push, { arch: image.ref.arch, report, signal: context.signal });
      if (flags.install === true && image.comesAlong) await install(context, flags, image, report);
    }
  });
  return nothing;
}

export default defineCommand<Flags, [string]>({
  brief: "Build an app or a runtime from its manifest",
  description:
    "An app comes from a manifest as flatpak-builder takes it (JSON or YAML), a runtime and its Sdk from a recipe of Debian packages. Modules are built in the sandbox, with the Sdk; results are kept by their inputs.",
  examples: [
    ["build org.example.App.yml", "builds into .dowel-builder/layout"],
    ["build org.example.App.yml --install --user", "builds and installs for the user"],
    ["build org.example.App.yml --push=oci+https://registry.example.org/apps", "builds and pushes"],
    ["build --layout=container org.example.App.yml", "builds an image that podman and others run as it is"],
    ["build --show-manifest org.example.App.yml", "prints the manifest with all that it includes"],
    ["build debian-12.yml --output=oci:images", "builds a runtime and its Sdk from Debian packages"],
  ],
  parameters: {
    flags: {
      ...installationFlags,
      ...jsonFlag,
      arch: textFlag("Architecture to build for", "ARCH"),
      output: textFlag("OCI layout to write to", "oci:FOLDER"),
      push: textFlag("Push the result there", "LOCATION"),
      install: switchFlag("Install the result"),
      stateDir: textFlag("Folder for downloads and kept results", "FOLDER"),
      defaultBranch: textFlag("Branch where the manifest names none", "BRANCH"),
      layout: {
        kind: "enum",
        values: ["flatpak", "rootfs", "container"],
        brief:
          "How files lie in the image: as Flatpak reads it, as a root file system, or that with its runtime below an app",
        optional: true,
      },
      compression: {
        kind: "enum",
        values: ["zstd:chunked", "zstd", "gzip"],
        brief: "Compression of the layer; zstd:chunked lets updates fetch only what changed",
        optional: true,
      },
      jobs: {
        kind: "parsed",
        parse: readCount,
        brief: "Commands that run at once",
        placeholder: "NUMBER",
        optional: true,
      },
      keepBuildDirs: switchFlag("Keep the folders that modules were built in"),
      disableCache: switchFlag("Build everything anew"),
      cacheLimit: {
        kind: "parsed",
        parse: readSize,
        brief: "What kept results may take; those not used for longest go (default: 10G)",
        placeholder: "SIZE",
        optional: true,
      },
      noAttestations: switchFlag("Leave out what hangs on an image: the list of its parts (SPDX) and its provenance"),
      stopAt: textFlag("Build only what comes before a module, and make no image", "MODULE"),
      showManifest: switchFlag("Print the manifest with all that it includes, as JSON, and build nothing"),
      showDeps: switchFlag("Print the local files that the manifest needs, and build nothing"),
    },
    aliases: { u: "user", j: "json" },
    positional: { kind: "tuple", parameters: [textArgument("Manifest or recipe", "MANIFEST")] },
  },
  run,
});
