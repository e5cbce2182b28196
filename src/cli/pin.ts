// SPDX-License-Identifier: Apache-2.0
import { defineCommand } from "./define.ts";
import { changeOrShow, type PatternFlags, patternParameters } from "./patterns.ts";

export default defineCommand<PatternFlags, string[]>({
  brief: "Keep runtimes that nothing uses",
  description: "Runtimes that fit a pattern are not removed as unused. Without patterns, lists those that there are.",
  examples: [
    ["pin org.example.Platform//1", "keeps one branch of a runtime"],
    ["pin --remove org.example.Platform//1", "lets it go again"],
    ["pin --json", "lists all pins for programs"],
  ],
  parameters: patternParameters,
  run: (context, flags, ...patterns) => changeOrShow(context, flags, "pinned", patterns),
});
