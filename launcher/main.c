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

// A descriptor's number, or -1.
static int parse_descriptor(const char *word) {
  int number = 0;
  if (*word == '\0') return -1;
  for (; *word != '\0'; word++) {
    if (*word < '0' || *word > '9' || number > 100000) return -1;
    number = number * 10 + (*word - '0');
  }
  return number;
}

// `dowel-launch [--report=FD] [--trace] FD [ARGUMENT…]`: how Dowel's program hands over a plan.
static _Noreturn void launch(char **words) {
  static const char report[] = "--report=";
  static const char hint[] = "dowel-launch [--report=FD] [--trace] FD [ARGUMENT...]";
  static struct start start;
  char **next = words + 1;
  if (*next != NULL && strncmp(*next, report, sizeof report - 1) == 0) {
    int fd = parse_descriptor(*next++ + sizeof report - 1);
    if (fd < 0) die(STEP_USAGE, -1, 0, NULL, hint);
    fail_report_to(fd);
  }
  if (*next != NULL && strcmp(*next, "--trace") == 0) {
    trace_begin();
    next++;
  }
  int fd = *next == NULL ? -1 : parse_descriptor(*next);
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
  if (!held_take(&start)) die(STEP_LOWER, -1, errno, plan_word(&start.plan, start.plan.held, 0), "Run it again.");
  trace_mark("read the plan", NULL);
  struct failure failure;
  if (!prepare_start(&start, &failure)) die(failure.step, -1, failure.error, failure.subject, failure.hint);
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
