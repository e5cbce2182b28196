// SPDX-License-Identifier: Apache-2.0
// How long each step of a start takes, for `run --trace`. Costs one comparison per step where it is off.
#pragma once

// Starts the clock.
void trace_begin(void);

// Ends a step; both texts must last until the app is executed, the second may be null.
void trace_mark(const char *step, const char *subject);

// Prints the steps to stderr: microseconds since the start, those of the step, and its name.
void trace_print(void);
