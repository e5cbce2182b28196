// SPDX-License-Identifier: Apache-2.0
// The last steps before the app: folder, environment, filter, exec.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"
#include "run.h"
#include "sys.h"
#include "text.h"
#include "trace.h"

enum { ENVIRONMENT_MAX = 16384, ARGUMENTS_MAX = 131072 };

// Not touched before the app's own process, so they cost monitor and init nothing.
static char *environment[ENVIRONMENT_MAX + 1];
static char *arguments[ARGUMENTS_MAX + 1];

static bool has_name(const struct plan *plan, struct words words, const char *variable) {
  uint32_t low = 0;
  uint32_t high = words.count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    int order = plan_compare_names(plan_word(plan, words, middle), variable);
    if (order == 0) return true;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return false;
}

static size_t add_variable(size_t count, const char *variable) {
  if (count == ENVIRONMENT_MAX) die(STEP_COMMAND, -1, E2BIG, "the command", "There are too many variables.");
  // execve does not write to the strings.
  environment[count] = (char *)(uintptr_t)variable;
  return count + 1;
}

// Whether one of the variables that the caller passed has the name of another.
static bool is_passed(size_t passed, const char *variable) {
  for (size_t i = 0; i < passed; i++) {
    if (plan_compare_names(environment[i], variable) == 0) return true;
  }
  return false;
}

static void build_environment(const struct start *start) {
  const struct plan *plan = &start->plan;
  size_t length;
  const char *variables = passed_variables(&start->passed, &length);
  size_t count = 0;
  for (size_t at = 0; at < length; at += strlen(variables + at) + 1) count = add_variable(count, variables + at);
  const size_t passed = count;
  bool clear = (plan->flags & PLAN_CLEAR_ENVIRONMENT) != 0;
  for (char **one = environ; !clear && *one != NULL; one++) {
    if (has_name(plan, plan->unset, *one) || has_name(plan, plan->set, *one) || is_passed(passed, *one)) continue;
    count = add_variable(count, *one);
  }
  for (uint32_t i = 0; i < plan->set.count; i++) {
    const char *one = plan_word(plan, plan->set, i);
    if (!is_passed(passed, one)) count = add_variable(count, one);
  }
  environment[count] = NULL;
  environ = environment;
}

static void build_arguments(const struct start *start) {
  const struct plan *plan = &start->plan;
  size_t count = 0;
  for (uint32_t i = 0; i < plan->command.count; i++) {
    arguments[count++] = (char *)(uintptr_t)plan_word(plan, plan->command, i);
  }
  for (char **one = start->arguments; *one != NULL; one++) {
    if (count == ARGUMENTS_MAX) die(STEP_COMMAND, -1, E2BIG, arguments[0], NULL);
    arguments[count++] = *one;
  }
  arguments[count] = NULL;
}

static const char *variable_value(const char *name) {
  for (char **one = environ; *one != NULL; one++) {
    if (plan_compare_names(*one, name) == 0 && strchr(*one, '=') != NULL) return strchr(*one, '=') + 1;
  }
  return NULL;
}

static void enter_folder(const struct start *start) {
  const char *wanted = start->plan.cwd;
  if (wanted != NULL) {
    if (chdir(wanted) != 0) die(STEP_FOLDER, -1, errno, wanted, NULL);
    return;
  }
  if (start->cwd[0] == '/' && chdir(start->cwd) == 0) return;
  const char *home = variable_value("HOME");
  if (home != NULL && home[0] == '/' && chdir(home) == 0) return;
  if (chdir("/") != 0) die(STEP_FOLDER, -1, errno, "/", NULL);
}

static void install_filter(const struct plan *plan) {
  if (plan->filter_count == 0) return;
  struct sock_fprog program = {
      .len = (unsigned short)plan->filter_count,
      .filter = (struct sock_filter *)(uintptr_t)plan->filter,
  };
  if (syscall(SYS_seccomp, (long)SECCOMP_SET_MODE_FILTER, 0L, &program) != 0) die(STEP_SECCOMP, -1, errno, NULL, NULL);
  if (prctl(PR_GET_SECCOMP, 0L, 0L, 0L, 0L) != SECCOMP_MODE_FILTER) {
    die(STEP_SECCOMP, -1, 0, "(it is not in force)", NULL);
  }
}

static int execute(const char *path) {
  syscall(SYS_execve, path, arguments, environment);
  return errno;
}

// Tries the command in each folder of the sandbox's PATH. Returns the errno that says most.
static int search_and_execute(const char *command) {
  if (strchr(command, '/') != NULL) return execute(command);
  const char *folders = variable_value("PATH");
  if (folders == NULL) folders = "/usr/bin:/bin";
  int result = ENOENT;
  for (const char *next = folders;; next++) {
    char buffer[PLAN_PATH_MAX + 1];
    struct text path = TEXT(buffer);
    size_t length = strcspn(next, ":");
    text_add_part(&path, next, length);
    text_add(&path, "/");
    text_add(&path, command);
    // An empty part would be the current folder.
    int error = length == 0 ? ENOENT : execute(path.data);
    if (error != ENOENT && error != ENOTDIR) result = error;
    next += length;
    if (*next == '\0') return result;
  }
}

_Noreturn void app_execute(const struct start *start) {
  trace_mark("start the first process", NULL);
  build_arguments(start);
  build_environment(start);
  enter_folder(start);
  umask(start->mask);
  // Nothing that the launcher opened or the caller left open reaches the app; the report stays open until exec.
  passed_close_others(&start->passed);
  identity_check(&start->plan);
  landlock_restrict(&start->plan);
  trace_mark("restrict with Landlock", NULL);
  sigprocmask(SIG_SETMASK, &start->signals, NULL);
  install_filter(&start->plan);
  trace_mark("install the system call filter", NULL);
  trace_print();
  int error = search_and_execute(arguments[0]);
  if (error == ENOENT || error == ENOTDIR) {
    die_with(EXIT_NOT_FOUND, STEP_COMMAND, error, arguments[0],
             "The sandbox has no such command, or lacks the interpreter or loader that it names.");
  }
  die_with(EXIT_NOT_EXECUTABLE, STEP_COMMAND, error, arguments[0], NULL);
}
