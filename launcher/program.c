// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fail.h"

// Beside the folder that holds the launcher.
static const char program_path[] = "/lib/dowel/dowel-program";

// These would make the program run code that they name.
static bool is_scrubbed(const char *variable) {
  return strncmp(variable, "BUN_", 4) == 0 || strncmp(variable, "NODE_OPTIONS=", 13) == 0;
}

static void scrub_environment(void) {
  char **kept = environ;
  for (char **one = environ; *one != NULL; one++) {
    if (!is_scrubbed(*one)) *kept++ = *one;
  }
  *kept = NULL;
}

// What changes installations runs for a second, too short for the compiler that optimizes most to repay its time. An update
// mostly runs for a third of one, in which its threads need the processors more than any optimizing compiler. The program
// takes these variables out of its environment, so that nothing that it starts has them.
static const char *const brief_commands[] = {"install", "uninstall", "remove", "list", "info"};
static const char *const brief_options[] = {"BUN_JSC_useFTLJIT=0", NULL};
static const char *const update_commands[] = {"update", "upgrade"};
static const char *const update_options[] = {"BUN_JSC_useDFGJIT=0", NULL};

// The service of all apps is small and idles for days: one thread collects its garbage, and not by the clock, as it has it
// done itself when it rests.
static const char *const service_options[] = {"BUN_JSC_numberOfGCMarkers=1", "BUN_GC_TIMER_DISABLE=1", NULL};

static bool is_among(const char *word, const char *const *words, size_t count) {
  for (size_t at = 0; at < count; at++) {
    if (strcmp(word, words[at]) == 0) return true;
  }
  return false;
}

static const char *const *options_for(char **words) {
  static const char *const none[] = {NULL};
  if (words[0] == NULL || words[1] == NULL) return none;
  if (is_among(words[1], brief_commands, sizeof brief_commands / sizeof *brief_commands)) return brief_options;
  if (is_among(words[1], update_commands, sizeof update_commands / sizeof *update_commands)) return update_options;
  bool serves = strcmp(words[1], "session") == 0 && words[2] != NULL && strcmp(words[2], "serve") == 0;
  return serves ? service_options : none;
}

// Copies the environment and adds variables; false where it has no room.
static bool copy_environment(char **to, size_t room, const char *const *added) {
  size_t count = 0;
  for (char **one = environ; *one != NULL; one++) {
    if (count + 1 >= room) return false;
    to[count++] = *one;
  }
  for (; *added != NULL; added++) {
    if (count + 1 >= room) return false;
    to[count++] = (char *)(uintptr_t)*added;
  }
  to[count] = NULL;
  return true;
}

static bool cut_last_name(char *path) {
  char *slash = strrchr(path, '/');
  if (slash == NULL) return false;
  *slash = '\0';
  return true;
}

_Noreturn void program_execute(char **words) {
  char path[4096 + sizeof program_path];
  ssize_t length = readlink("/proc/self/exe", path, 4095);
  if (length < 0) die(STEP_PROGRAM, -1, errno, NULL, "Dowel needs /proc to be mounted.");
  path[length] = '\0';
  if (!cut_last_name(path) || !cut_last_name(path)) die(STEP_PROGRAM, -1, ENOENT, path, NULL);
  memcpy(path + strlen(path), program_path, sizeof program_path);
  scrub_environment();
  char *own[1024];
  bool is_own = copy_environment(own, sizeof own / sizeof *own, options_for(words));
  syscall(SYS_execve, path, words, is_own ? own : environ);
  die_with(EXIT_NOT_FOUND, STEP_PROGRAM, errno, path, "The installation of Dowel is incomplete; install it again.");
}
