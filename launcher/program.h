// SPDX-License-Identifier: Apache-2.0
// Everything but a warm start is done by Dowel's program, which is not written in C.
#pragma once

// Replaces this process by it, with the same words.
_Noreturn void program_execute(char **words);
