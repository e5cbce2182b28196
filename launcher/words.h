// SPDX-License-Identifier: Apache-2.0
// The command line of `run`, as far as the launcher understands it.
#pragma once

#include <stddef.h>

// How many words, the command's name not counted, lead up to the app and include it; 0 where this is no `run` of an app.
size_t words_before_arguments(char **words);
