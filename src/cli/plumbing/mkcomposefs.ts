// SPDX-License-Identifier: Apache-2.0
import { DowelError } from "../../base/errors.ts";
import { nothing, type Result } from "../../render/result.ts";
import { makeImage } from "../../store/capture/image.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { optionalArgument, switchFlag, textArgument, textFlag } from "../flags.ts";

interface Flags {
  readonly fromFile?: boolean;
  readonly minVersion?: string;
  readonly maxVersion?: string;
  readonly digestStore?: string;
  readonly useEpoch?: boolean;
  readonly skipDevices?: boolean;
  readonly skipXattrs?: boolean;
  readonly userXattrs?: boolean;
  readonly printDigest?: boolean;
  readonly printDigestOnly?: boolean;
  readonly threads?: string;
}

function whole(text: string | undefined, option: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^[0-9]{1,9}$/.test(text)) throw new DowelError("USAGE", `${option} must be a whole number, not '${text}'`);
  return Number(text);
}

function run(context: Context, flags: Flags, source: string, image: string | undefined): Result {
  const only = flags.printDigestOnly === true;
  if (whole(flags.threads, "--threads", 1) < 1) throw new DowelError("USAGE", "--threads must be at least 1");
  if (only && image !== undefined) {
    throw new DowelError("USAGE", "With --print-digest-only there must be no destination path");
  }
  if (!only && image === undefined) throw new DowelError("USAGE", "There must be a destination path");
  const digest = makeImage(source, {
    ...flags,
    image,
    minVersion: whole(flags.minVersion, "--min-version", 0),
    maxVersion: whole(flags.maxVersion, "--max-version", 1),
    signal: context.signal,
  });
  return only || flags.printDigest === true ? { kind: "text", text: `${digest}\n` } : nothing;
}

export default defineCommand<Flags, [string, string | undefined]>({
  brief: "Make a composefs image of a folder or a dump",
  description: "As mkcomposefs(1): the same options, the same image and the same output.",
  examples: [
    ["plumbing mkcomposefs --digest-store=objects tree image", "makes an image of a folder and stores its files"],
    ["plumbing mkcomposefs --from-file --print-digest-only -", "shows the digest of the image of a dump"],
  ],
  parameters: {
    flags: {
      fromFile: switchFlag("The source is a dump, - for standard input"),
      minVersion: textFlag("Least version of the format, 0 if not given", "N"),
      maxVersion: textFlag("Greatest version of the format, 1 if not given", "N"),
      digestStore: textFlag("Put the contents of files into this folder", "DIR"),
      useEpoch: switchFlag("Give every file the time 0"),
      skipDevices: switchFlag("Leave out devices"),
      skipXattrs: switchFlag("Leave out extended attributes"),
      userXattrs: switchFlag("Keep only extended attributes that begin with user."),
      printDigest: switchFlag("Print the fs-verity digest of the image"),
      printDigestOnly: switchFlag("Print the digest and write no image"),
      threads: textFlag("Taken for scripts that give it; one thread does all the work", "N"),
    },
    positional: {
      kind: "tuple",
      parameters: [
        textArgument("Folder or dump", "SOURCE"),
        optionalArgument("Where the image goes, - for standard output", "IMAGE"),
      ],
    },
  },
  run,
});
