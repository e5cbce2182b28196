// SPDX-License-Identifier: Apache-2.0
#include "warm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "run.h"
#include "sys.h"
#include "text.h"
#include "trace.h"
#include "words.h"

static bool is_own(int fd, uid_t user) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == user;
}

// `$XDG_RUNTIME_DIR/dowel`, where that is the caller's own; else a folder of the system for root, and one under /tmp for
// others. src/sandbox/run-folder.ts chooses the same.
static int open_named_folder(uid_t user) {
  const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_PATH;
  const char *runtime = getenv("XDG_RUNTIME_DIR");
  int session = runtime != NULL && runtime[0] == '/' ? open(runtime, flags) : -1;
  if (session >= 0 && is_own(session, user)) {
    int fd = openat(session, "dowel", flags);
    close(session);
    return fd;
  }
  if (session >= 0) close(session);
  char buffer[64];
  struct text path = TEXT(buffer);
  text_add(&path, user == 0 ? "/run/dowel/user-" : "/tmp/.dowel-");
  text_add_number(&path, user);
  return open(path.data, flags);
}

// FNV-1a with 64 bits over the words, each with its NUL. Only a name: the words themselves are compared too.
static void add_name(struct text *path, char **words, size_t count) {
  uint64_t hash = 0xcbf29ce484222325;
  for (size_t i = 0; i < count; i++) {
    const char *byte = words[i];
    do {
      hash = (hash ^ (unsigned char)*byte) * 0x100000001b3;
    } while (*byte++ != '\0');
  }
  for (int shift = 60; shift >= 0; shift -= 4) {
    const char digit[] = {"0123456789abcdef"[hash >> shift & 0xf], '\0'};
    text_add(path, digit);
  }
}

// Whoever can write here decides what runs, so the folder must belong to the caller alone.
static int open_folder(uid_t user) {
  struct stat status;
  int fd = open_named_folder(user);
  if (fd < 0) return -1;
  if (fstat(fd, &status) == 0 && status.st_uid == user && (status.st_mode & 07777) == 0700) return fd;
  close(fd);
  return -1;
}

static int open_plan(char **words, size_t count) {
  char buffer[32];
  struct text name = TEXT(buffer);
  text_add(&name, "plans/");
  add_name(&name, words, count);
  uid_t user = geteuid();
  int folder = open_folder(user);
  if (folder < 0) return -1;
  int fd = sys_openat2(folder, name.data, O_RDONLY | O_CLOEXEC | O_NONBLOCK, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  close(folder);
  struct stat status;
  if (fd < 0) return -1;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == user) return fd;
  close(fd);
  return -1;
}

static bool is_for(const struct plan *plan, char **words, size_t count) {
  if (plan->key.count != count) return false;
  for (uint32_t i = 0; i < plan->key.count; i++) {
    if (strcmp(plan_word(plan, plan->key, i), words[i]) != 0) return false;
  }
  return true;
}

static bool is_missing(int error) { return error == ENOENT || error == ENOTDIR || error == EACCES; }

static int64_t nanoseconds(struct statx_timestamp time) { return time.tv_sec * 1000000000 + time.tv_nsec; }

static bool file_holds(const struct observation *one, const char *path) {
  struct statx status;
  int result = statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &status);
  if (one->kind == OBSERVE_ABSENT) return result != 0 && is_missing(errno);
  if (result != 0 || (status.stx_mode & S_IFMT) != one->type || status.stx_ino != one->inode ||
      makedev(status.stx_dev_major, status.stx_dev_minor) != one->device) {
    return false;
  }
  return one->kind == OBSERVE_INODE || (status.stx_size == one->size && nanoseconds(status.stx_mtime) == one->mtime &&
                                        nanoseconds(status.stx_ctime) == one->ctime);
}

static bool holds(const struct plan *plan, const struct observation *one) {
  const char *name = plan_string(plan, one->name);
  if (one->kind != OBSERVE_VARIABLE && one->kind != OBSERVE_NO_VARIABLE) return file_holds(one, name);
  const char *value = getenv(name);
  if (one->kind == OBSERVE_NO_VARIABLE) return value == NULL;
  return value != NULL && strcmp(value, plan_string(plan, one->value)) == 0;
}

static bool all_hold(const struct plan *plan) {
  for (uint32_t i = 0; i < plan->record_count; i++) {
    if (!holds(plan, &plan->record[i])) return false;
  }
  return true;
}

static void try_warm(struct start *start, char **words) {
  size_t count = words_before_arguments(words);
  if (count == 0) return;
  for (size_t i = 1; i < count; i++) {
    if (strcmp(words[i], "--trace") == 0) trace_begin();
  }
  int fd = open_plan(words + 1, count);
  if (fd < 0) return;
  struct plan_error error;
  if (plan_read(fd, start, &error) != PLAN_OK) return;
  if (!is_for(&start->plan, words + 1, count)) return;
  trace_mark("read the plan", NULL);
  // Locked before it is looked at: what is there then stays.
  if (!held_take(start) || !all_hold(&start->plan)) return;
  trace_mark("check what it depends on", NULL);
  // What goes wrong here is for the program to solve, or else to tell.
  struct failure failure;
  if (!prepare_start(start, &failure)) return;
  passed_tell(&start->passed, start->instance.number);
  start->arguments = words + 1 + count;
  monitor_run(start);
}

// What is passed for this start alone stands right behind `run`, and the plan was made without it.
void warm_run(char **words) {
  static struct start start;
  passed_none(&start.passed);
  if (words[1] == NULL || strcmp(words[1], "run") != 0) return try_warm(&start, words);
  char **verb = words + 1;
  while (verb[1] != NULL && passed_take(&start.passed, verb[1])) verb++;
  char *last = *verb;
  *verb = words[1];
  try_warm(&start, verb - 1);
  *verb = last;
}
