// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Mounts that come into a running sandbox; used by processes that do nothing else, and end where one of these fails.

// A process of the sandbox, and the number of the sandbox's own mount namespace.
struct moved_place {
  int pid;
  uint64_t namespace;
};

// Reads a place from the first two words after the command's. False where it is none.
bool moved_parse_place(char **words, struct moved_place *place);

// Reads a number in decimal. False where it is none.
bool moved_parse_number(const char *word, uint64_t *number);

// A detached copy of what lies at a path of the host, for reading alone unless `writable`; links are not followed. It must
// be of the type `type` (S_IFDIR, S_IFREG), or any of the two for 0, and lie on `device` unless that is null.
int moved_copy(const char *path, mode_t type, bool writable, const uint64_t *device);

// Enters the sandbox, and one of its folders. Answers the folder, which is the working directory, too; -1 where the
// sandbox has none.
int moved_enter(const struct moved_place *place, const char *shelf);

// A copy of the mount of a folder that is sealed, which can be written to.
int moved_names(int place);

// Mounts a detached tree. Answers as move_mount(2).
int moved_attach(int tree, int target, unsigned how);

// Takes away every mount at a name in the working directory.
void moved_take_away(const char *name);
