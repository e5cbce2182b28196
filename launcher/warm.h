// SPDX-License-Identifier: Apache-2.0
// The fast path of `run`: a plan made earlier, taken again where everything that it depends on still holds.
#pragma once

// Runs the app if there is such a plan for these words; returns if there is none.
void warm_run(char **words);
