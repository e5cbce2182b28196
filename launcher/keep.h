// SPDX-License-Identifier: Apache-2.0
// Brings back the session service where no service manager does.
#pragma once

// Runs Dowel's program with the given words, and again when it is killed or crashes, until it ends by itself.
_Noreturn void keep_run(char **words);
