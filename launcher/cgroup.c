// SPDX-License-Identifier: Apache-2.0
// A control group for each sandbox: its identity, which no process in it can leave, and its limits. It is made in the
// caller's own group, or in the nearest one above it where the caller may and the controllers are that limits need.
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "run.h"
#include "sys.h"
#include "text.h"

enum { OWN_MAX = 16384, LIST_MAX = 512 };

static const char no_group_hint[] =
    "Start it in a session of systemd, or where the caller's control group is its own (a delegated cgroup2); or give up "
    "its identity and limits with --no-require-cgroup.";
static const char no_controller_hint[] =
    "The kernel has that controller nowhere above the caller: it is missing, still used by cgroup v1, or not delegated "
    "(cgroup.controllers of the groups above; in systemd's units Delegate=).";

static bool fail(struct failure *failure, enum step step, const char *subject, const char *hint) {
  *failure = (struct failure){step, errno, subject, hint};
  return false;
}

static size_t read_file(int folder, const char *name, char *buffer, size_t capacity) {
  buffer[0] = '\0';
  int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t count = pread(fd, buffer, capacity - 1, 0);
  close(fd);
  size_t length = count < 0 ? 0 : (size_t)count;
  buffer[length] = '\0';
  return length;
}

static bool write_file(int folder, const char *name, const char *value, size_t length) {
  int fd = openat(folder, name, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool written = write(fd, value, length) == (ssize_t)length;
  int error = errno;
  close(fd);
  errno = error;
  return written;
}

// The line of /proc/self/cgroup that begins with `0::` names the group of cgroup2 by its path below the mount. One that
// begins with `/..` lies outside of what this process sees.
static bool add_own_path(struct text *path) {
  char buffer[OWN_MAX];
  read_file(AT_FDCWD, "/proc/self/cgroup", buffer, sizeof buffer);
  const char *line = buffer;
  while (line != NULL && strncmp(line, "0::/", 4) != 0) {
    line = strchr(line, '\n');
    if (line != NULL) line++;
  }
  if (line == NULL) return false;
  size_t length = strcspn(line + 3, "\n");
  if (length > 1 && strncmp(line + 3, "/..", 3) != 0) text_add_part(path, line + 3, length);
  return true;
}

// Whether a list of words separated by blanks has one.
static bool has_word(const char *list, const char *word, size_t length) {
  while (*list != '\0') {
    size_t size = strcspn(list, " \n");
    if (size == length && strncmp(list, word, length) == 0) return true;
    list += size + (list[size] != '\0');
  }
  return false;
}

// Controllers can only be switched on where no process is; some can elsewhere, too, and then make groups below useless.
// The root, which alone has no type, is free of that rule.
static bool can_enable(int folder) {
  char text[LIST_MAX];
  return read_file(folder, "cgroup.type", text, sizeof text) == 0 ||
         read_file(folder, "cgroup.procs", text, sizeof text) == 0;
}

// Groups below `folder` have the controllers that the settings need, if need be because they are switched on now. Else
// the setting that lacks one is noted.
static bool has_controllers(const struct plan *plan, int folder, const char **lacking) {
  char enabled[LIST_MAX];
  if (plan->settings.count == 0) return true;
  read_file(folder, "cgroup.subtree_control", enabled, sizeof enabled);
  for (uint32_t i = 0; i < plan->settings.count; i++) {
    const char *setting = plan_word(plan, plan->settings, i);
    size_t length = strcspn(setting, ".");
    if (has_word(enabled, setting, length)) continue;
    char buffer[LIST_MAX];
    struct text word = TEXT(buffer);
    text_add(&word, "+");
    text_add_part(&word, setting, length);
    if (!can_enable(folder) || !write_file(folder, "cgroup.subtree_control", word.data, word.length)) {
      if (*lacking == NULL) *lacking = setting;
      return false;
    }
  }
  return true;
}

static bool apply_settings(const struct start *start, struct failure *failure) {
  const struct plan *plan = &start->plan;
  for (uint32_t i = 0; i < plan->settings.count; i++) {
    const char *setting = plan_word(plan, plan->settings, i);
    char buffer[PLAN_NAME_MAX + 1];
    struct text name = TEXT(buffer);
    size_t length = strcspn(setting, "=");
    const char *value = setting + length + 1;
    text_add_part(&name, setting, length);
    if (!write_file(start->cgroup.folder, name.data, value, strlen(value))) {
      return fail(failure, STEP_LIMIT, setting, errno == ENOENT ? "This kernel does not know that limit." : NULL);
    }
  }
  return true;
}

static bool name_group(const struct start *start, struct failure *failure) {
  const struct plan_instance *instance = &start->plan.instance;
  const char *const values[][2] = {
      {"user.dowel.id", instance->id},
      {"user.dowel.ref", instance->ref},
      {"user.dowel.image", instance->image},
      {"user.dowel.instance", start->instance.number},
  };
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    const char *value = values[i][1];
    if (syscall(SYS_fsetxattr, (long)start->cgroup.folder, values[i][0], value, strlen(value), 0L) != 0) {
      return fail(failure, STEP_CGROUP, values[i][0], "Names on control groups need Linux 5.7.");
    }
  }
  return true;
}

static bool make_in(struct start *start, const struct text *path) {
  struct start_group *group = &start->cgroup;
  if (mkdirat(group->parent, group->name, 0755) != 0) return false;
  group->folder = openat(group->parent, group->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (group->folder < 0) return false;
  char buffer[PLAN_PATH_MAX + 32];
  struct text full = TEXT(buffer);
  text_add(&full, path->data);
  text_add(&full, "/");
  text_add(&full, group->name);
  instance_name_group(start, full.data);
  return true;
}

// Goes up from the caller's own group to the first one where the new one can be.
static bool find_place(struct start *start, struct text *path, struct failure *failure) {
  size_t top = strlen(start->plan.cgroup);
  const char *lacking = NULL;
  int first_error = 0;
  for (;;) {
    start->cgroup.parent = open(path->data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (start->cgroup.parent >= 0) {
      if (has_controllers(&start->plan, start->cgroup.parent, &lacking) && make_in(start, path)) return true;
      if (first_error == 0) first_error = errno;
      close(start->cgroup.parent);
    } else if (first_error == 0) {
      first_error = errno;
    }
    if (path->length <= top) break;
    while (path->data[path->length - 1] != '/') path->length--;
    path->data[--path->length] = '\0';
  }
  errno = lacking == NULL ? first_error : 0;
  if (lacking != NULL) return fail(failure, STEP_LIMIT, lacking, no_controller_hint);
  return fail(failure, STEP_CGROUP, start->plan.cgroup, no_group_hint);
}

bool cgroup_make(struct start *start, struct failure *failure) {
  const struct plan *plan = &start->plan;
  bool required = (plan->flags & PLAN_CGROUP_REQUIRED) != 0 || plan->settings.count > 0;
  char buffer[PLAN_PATH_MAX + 1];
  struct text path = TEXT(buffer);
  struct text name = TEXT(start->cgroup.name);
  text_add(&name, "dowel-");
  text_add(&name, start->instance.number);
  text_add(&path, plan->cgroup);
  errno = ENOENT;
  bool found = add_own_path(&path) ? find_place(start, &path, failure)
                                   : fail(failure, STEP_CGROUP, plan->cgroup, "The kernel has no cgroup2 mounted there.");
  if (!found) return !required;
  start->cgroup.limited = plan->settings.count > 0;
  if (apply_settings(start, failure) && name_group(start, failure)) return true;
  cgroup_remove(start);
  return false;
}

static int64_t number_after(const char *text, const char *name) {
  size_t length = strlen(name);
  while (*text != '\0') {
    if (strncmp(text, name, length) == 0 && text[length] == ' ') {
      int64_t number = 0;
      for (text += length + 1; *text >= '0' && *text <= '9'; text++) number = number * 10 + (*text - '0');
      return number;
    }
    text += strcspn(text, "\n");
    text += *text != '\0';
  }
  return 0;
}

static void tell(int group, const char *events, const char *event, const char *limit, const char *said) {
  char list[LIST_MAX];
  char value[LIST_MAX];
  read_file(group, events, list, sizeof list);
  int64_t count = number_after(list, event);
  if (count == 0) return;
  read_file(group, limit, value, sizeof value);
  char buffer[2 * LIST_MAX];
  struct text text = TEXT(buffer);
  text_add(&text, "warning: ");
  text_add(&text, said);
  text_add(&text, " (");
  text_add(&text, limit);
  text_add(&text, " ");
  text_add_part(&text, value, strcspn(value, "\n"));
  text_add(&text, "), times: ");
  text_add_number(&text, count);
  text_add(&text, "\n");
  text_write(&text, STDERR_FILENO);
}

void cgroup_tell_limits(const struct start *start) {
  if (start->cgroup.folder < 0 || !start->cgroup.limited) return;
  tell(start->cgroup.folder, "memory.events", "oom_kill", "memory.max",
       "The app ran out of memory, and the kernel ended a process of it");
  tell(start->cgroup.folder, "pids.events", "max", "pids.max", "The app could not start a process or thread more");
}

void cgroup_end(const struct start *start) {
  enum { TRIES = 100, PAUSE_MILLISECONDS = 50 };
  char events[LIST_MAX];
  if (start->cgroup.folder < 0 || !write_file(start->cgroup.folder, "cgroup.kill", "1", 1)) return;
  for (int i = 0; i < TRIES; i++) {
    int fd = openat(start->cgroup.folder, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    struct pollfd changed = {.fd = fd, .events = POLLPRI};
    ssize_t count = pread(fd, events, sizeof events - 1, 0);
    events[count < 0 ? 0 : count] = '\0';
    bool empty = number_after(events, "populated") == 0;
    if (!empty) poll(&changed, 1, PAUSE_MILLISECONDS);
    close(fd);
    if (empty) return;
  }
}

void cgroup_remove(const struct start *start) {
  if (start->cgroup.folder >= 0) unlinkat(start->cgroup.parent, start->cgroup.name, AT_REMOVEDIR);
}
