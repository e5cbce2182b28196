// SPDX-License-Identifier: Apache-2.0
// What a caller passes for one start alone. It is no part of the plan, so the same plan serves starts that differ in it.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// The most descriptors that one message over a socket brings (SCM_MAX_FD).
enum { PASSED_MAX = 253 };

struct start_passed {
  // Descriptors that the app keeps, ascending, each once.
  int fds[PASSED_MAX];
  size_t count;
  // A file of variables for the app, `NAME=VALUE` each ended by NUL; -1 for none.
  int environment;
  // Is told the number of the instance; -1 for nobody.
  int told;
};

// The number of a descriptor or a process, or -1.
int number_of(const char *word);

// The value of `--option=VALUE`, or null where the word is another.
const char *value_of(const char *word, const char *option);

void passed_none(struct start_passed *passed);

// Reads a word; false where it is no option of these. Ends the program where a descriptor to forward is not open: one that
// is opened later would get its number.
bool passed_take(struct start_passed *passed, const char *word);

// Tells the caller which instance it has started.
void passed_tell(const struct start_passed *passed, const char *number);

// Reads the variables to the end of the file; null where there are none. Ends the program where they make no sense.
const char *passed_variables(const struct start_passed *passed, size_t *length);

// Marks everything but the first three descriptors and those that are forwarded to be closed by exec.
void passed_close_others(const struct start_passed *passed);
