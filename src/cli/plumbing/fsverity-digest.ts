// SPDX-License-Identifier: Apache-2.0
import { DowelError, fileError } from "../../base/errors.ts";
import type { Result } from "../../render/result.ts";
import { measureFile } from "../../store/capture/objects.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { switchFlag, textArgument } from "../flags.ts";

interface Flags {
  readonly compact?: boolean;
}

function lineOf(file: string, compact: boolean): string {
  try {
    const digest = Buffer.from(measureFile(file).digest).toString("hex");
    return compact ? `${digest}\n` : `sha256:${digest} ${file}\n`;
  } catch (error) {
    throw fileError(error, "read", file);
  }
}

function run(_context: Context, flags: Flags, ...files: string[]): Result {
  if (files.length === 0) throw new DowelError("USAGE", "There must be a file");
  return { kind: "text", text: files.map((file) => lineOf(file, flags.compact === true)).join("") };
}

export default defineCommand<Flags, string[]>({
  brief: "Work out the fs-verity digests of files",
  description: "SHA-256, blocks of 4096 bytes, no salt; one line for each file, as fsverity-digest(1) prints it.",
  examples: [["plumbing fsverity-digest FILE", "prints the digest and the name of a file"]],
  parameters: {
    flags: { compact: switchFlag("Print the digests alone") },
    positional: { kind: "array", parameter: textArgument("File", "FILE") },
  },
  run,
});
