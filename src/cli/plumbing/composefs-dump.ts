// SPDX-License-Identifier: Apache-2.0
import type { Result } from "../../render/result.ts";
import { dumpImage } from "../../store/capture/image.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "../define.ts";
import { textArgument } from "../flags.ts";

function run(_context: Context, _flags: object, image: string): Result {
  return { kind: "text", text: dumpImage(image) };
}

export default defineCommand<object, [string]>({
  brief: "Show a composefs image as a dump",
  description: "The format is that of composefs-dump(5), as composefs-info(1) prints it.",
  examples: [["plumbing composefs-dump image", "shows every file of the image, one on a line"]],
  parameters: { positional: { kind: "tuple", parameters: [textArgument("Image file", "IMAGE")] } },
  run,
});
