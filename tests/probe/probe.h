// SPDX-License-Identifier: Apache-2.0
// A program for the inside of sandboxes: says in JSON what it sees and can do. Static, so that it runs in any root.
#pragma once

#include <stdbool.h>

// Prints a JSON string.
void print_text(const char *text);

// Prints `"NAME":"VALUE"`, with a comma before it unless it is the first of its object.
void print_member(bool *first, const char *name, const char *value);

// The name of an errno, or `OK` for 0.
const char *error_name(int error);

// Tries system calls that a sandbox denies, with harmless arguments, and prints the outcome of each.
void probe_syscalls(void);

int probe_network(char **words);
int probe_sockets(char **words);

// Take until a bound is met.
int probe_memory(char **words);
int probe_forks(char **words);
int probe_nest(char **words);
