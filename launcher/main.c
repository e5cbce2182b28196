// SPDX-License-Identifier: Apache-2.0
// The `dowel` command. It answers what must be fast and hands the rest to Dowel's program.
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "fail.h"
#include "program.h"
#include "run.h"
#include "trace.h"
#include "warm.h"

#ifndef VERSION
#error "the build sets VERSION"
#endif

static const char version[] = "Dowel " VERSION "\n";

// The number of a descriptor or a process, or -1.
static int parse_number(const char *word) {
  int number = 0;
  if (*word == '\0') return -1;
  for (; *word != '\0'; word++) {
    if (*word < '0' || *word > '9' || number > 10000000) return -1;
    number = number * 10 + (*word - '0');
  }
  return number;
}

static const char *value_of(const char *word, const char *option) {
  size_t length = strlen(option);
  return word != NULL && strncmp(word, option, length) == 0 ? word + length : NULL;
}

// Tells a caller which instance it has started.
static void tell_instance(const struct start *start, int fd) {
  const char *number = start->instance.number;
  if (write(fd, number, strlen(number)) < 0) die(STEP_INSTANCE, -1, errno, "(its id)", "Is the descriptor still open?");
  close(fd);
}

// `dowel-launch [--report=FD] [--trace] [--instance-id-fd=FD] [--enter=PID [--group=FOLDER]] FD [ARGUMENT…]`: how Dowel's
// program hands over a plan.
static _Noreturn void launch(char **words) {
  static const char hint[] =
      "dowel-launch [--report=FD] [--trace] [--instance-id-fd=FD] [--enter=PID [--group=FOLDER]] FD [ARGUMENT...]";
  static struct start start;
  char **next = words + 1;
  const char *report = value_of(*next, "--report=");
  if (report != NULL) {
    int fd = parse_number(report);
    next++;
    if (fd < 0) die(STEP_USAGE, -1, 0, NULL, hint);
    fail_report_to(fd);
  }
  if (*next != NULL && strcmp(*next, "--trace") == 0) {
    trace_begin();
    next++;
  }
  const char *told = value_of(*next, "--instance-id-fd=");
  int teller = told == NULL ? -1 : parse_number(told);
  if (told != NULL) next++;
  const char *entered = value_of(*next, "--enter=");
  const char *group = entered == NULL ? NULL : value_of(*++next, "--group=");
  if (group != NULL) next++;
  int fd = *next == NULL ? -1 : parse_number(*next);
  if (fd < 0) die(STEP_USAGE, -1, 0, NULL, hint);
  struct plan_error error;
  switch (plan_read(fd, &start, &error)) {
    case PLAN_UNREADABLE:
      die(STEP_PLAN, -1, errno, NULL, NULL);
    case PLAN_REFUSED:
      die(STEP_PLAN_REFUSED, error.index, 0, error.reason, NULL);
    case PLAN_OK:
      break;
  }
  start.arguments = next + 1;
  if (entered != NULL) {
    int pid = parse_number(entered);
    if (pid <= 0) die(STEP_USAGE, -1, 0, NULL, hint);
    enter_run(&start, pid, group);
  }
  if (!held_take(&start)) die(STEP_LOWER, -1, errno, plan_word(&start.plan, start.plan.held, 0), "Run it again.");
  trace_mark("read the plan", NULL);
  struct failure failure;
  if (!prepare_start(&start, &failure)) die(failure.step, -1, failure.error, failure.subject, failure.hint);
  if (teller >= 0) tell_instance(&start, teller);
  monitor_run(&start);
}

int main(int count, char **words) {
  // With somebody else's rights the caller's environment would decide what runs.
  if (getauxval(AT_SECURE) != 0) die(STEP_USAGE, -1, EPERM, NULL, "Dowel must not be set-user-id.");
  if (count < 1) die(STEP_USAGE, -1, EINVAL, NULL, NULL);
  if (strcmp(words[0], "dowel-launch") == 0) launch(words);
  if (count == 2 && strcmp(words[1], "--version") == 0) {
    return write(STDOUT_FILENO, version, sizeof version - 1) == (ssize_t)sizeof version - 1 ? 0 : 1;
  }
  warm_run(words);
  program_execute(words);
}
