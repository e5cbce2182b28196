// SPDX-License-Identifier: Apache-2.0
// Signals on their way from the monitor through the init to the app.
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

// The signals that monitor and init wait for instead of being hit by them. Not those that stop a job: the monitor must
// stop with the app, or the shell would never take the terminal back.
void signals_to_watch(sigset_t *set);

// Blocks them and stores what was blocked before.
void signals_prepare(sigset_t *before);

// Sends a signal to the init with a mark that says that it is for the app.
void signals_forward(pid_t init, int signal);
bool signals_is_forwarded(const siginfo_t *info);
