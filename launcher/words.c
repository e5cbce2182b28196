// SPDX-License-Identifier: Apache-2.0
#include "words.h"

#include <stdbool.h>
#include <string.h>

// Options whose value is the next word where they are written without `=`. One that is missing here makes a start slow,
// not wrong: the words before the app are compared one by one with those that the plan was made for.
static const char *const with_value[] = {
    "a11y-own-name",    "add-policy",      "allow",
    "allow-if",         "app-fd",          "app-path",
    "arch",             "bind-fd",         "branch",
    "command",          "commit",          "cwd",
    "device",           "device-if",       "disallow",
    "env",              "env-fd",          "filesystem",
    "forward-env-fd",   "forward-fd",
    "installation",     "instance-id-fd",  "limit",
    "no-talk-name",
    "nodevice",         "nofilesystem",    "nosocket",
    "nousb",            "own-name",        "parent-pid",
    "persist",          "profile",         "remove-policy",   "ro-bind-fd",
    "runtime",          "runtime-commit",  "runtime-version",
    "share",            "share-if",        "socket",
    "socket-if",        "system-no-talk-name", "system-own-name",
    "system-talk-name", "talk-name",       "unset-env",
    "unshare",          "usb",             "usb-list",
    "usb-list-file",    "usr-fd",          "usr-path",
};

static bool takes_next_word(const char *word) {
  if (strncmp(word, "--", 2) != 0) return false;
  for (size_t i = 0; i < sizeof with_value / sizeof with_value[0]; i++) {
    if (strcmp(word + 2, with_value[i]) == 0) return true;
  }
  return false;
}

// The index of the first word at or after `index` that is neither an option nor its value.
static size_t skip_options(char **words, size_t index) {
  while (words[index] != NULL && words[index][0] == '-' && words[index][1] != '\0') {
    if (strcmp(words[index], "--") == 0) return index + 1;
    if (takes_next_word(words[index]) && words[index + 1] != NULL) index++;
    index++;
  }
  return index;
}

size_t words_before_arguments(char **words) {
  size_t verb = skip_options(words, 1);
  if (words[verb] == NULL || strcmp(words[verb], "run") != 0) return 0;
  size_t app = skip_options(words, verb + 1);
  return words[app] == NULL ? 0 : app;
}
