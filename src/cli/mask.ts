// SPDX-License-Identifier: Apache-2.0
import { defineCommand } from "./define.ts";
import { changeOrShow, type PatternFlags, patternParameters } from "./patterns.ts";

export default defineCommand<PatternFlags, string[]>({
  brief: "Leave refs out of updates and automatic installs",
  description:
    "What fits a pattern is neither updated nor installed because something else needs or extends it. Without patterns, lists those that there are.",
  examples: [
    ["mask org.example.App", "keeps an app at its version"],
    ["mask 'org.example.*.Locale'", "installs no translations"],
    ["mask --remove org.example.App", "lets it be updated again"],
  ],
  parameters: patternParameters,
  run: (context, flags, ...patterns) => changeOrShow(context, flags, "masked", patterns),
});
