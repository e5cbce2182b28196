// SPDX-License-Identifier: Apache-2.0
// The `dowel` command. It answers what must be fast and hands the rest to Dowel's program.
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "document.h"
#include "fail.h"
#include "keep.h"
#include "library.h"
#include "program.h"
#include "run.h"
#include "trace.h"
#include "warm.h"

#ifndef VERSION
#error "the build sets VERSION"
#endif

static const char version[] = "Dowel " VERSION "\n";

static const char usage[] =
    "dowel-launch [--report=FD] [--trace] [--instance-id-fd=FD] [--forward-fd=FD]... [--forward-env-fd=FD] "
    "[--parent=FD [--share-pids]] [--enter=PID [--group=FOLDER]] FD [ARGUMENT...]";

// What is asked for besides the plan; -1 or null for what is not.
struct order {
  int parent;
  bool shared;
  const char *entered;
  const char *group;
};

static int number_or_die(const char *word) {
  int number = number_of(word);
  if (number < 0) die(STEP_USAGE, -1, 0, NULL, usage);
  return number;
}

// Reads the options and returns the words after them.
static char **read_order(char **next, struct order *order, struct start_passed *passed) {
  const char *value;
  *order = (struct order){.parent = -1};
  for (; *next != NULL && strncmp(*next, "--", 2) == 0; next++) {
    if ((value = value_of(*next, "--report=")) != NULL) {
      fail_report_to(number_or_die(value));
    } else if (strcmp(*next, "--trace") == 0) {
      trace_begin();
    } else if (passed_take(passed, *next)) {
      continue;
    } else if ((value = value_of(*next, "--parent=")) != NULL) {
      order->parent = number_or_die(value);
    } else if (strcmp(*next, "--share-pids") == 0) {
      order->shared = true;
    } else if ((value = value_of(*next, "--enter=")) != NULL) {
      order->entered = value;
    } else if ((value = value_of(*next, "--group=")) != NULL) {
      order->group = value;
    } else {
      die(STEP_USAGE, -1, 0, *next, usage);
    }
  }
  return next;
}

static void read_plan(int fd, struct start *start) {
  struct plan_error error;
  switch (plan_read(fd, start, &error)) {
    case PLAN_UNREADABLE:
      die(STEP_PLAN, -1, errno, NULL, NULL);
    case PLAN_REFUSED:
      die(STEP_PLAN_REFUSED, error.index, 0, error.reason, NULL);
    case PLAN_OK:
      break;
  }
}

// How Dowel's program hands over a plan.
static _Noreturn void launch(char **words) {
  static struct start start;
  struct order order;
  passed_none(&start.passed);
  char **next = read_order(words + 1, &order, &start.passed);
  if (*next == NULL) die(STEP_USAGE, -1, 0, NULL, usage);
  read_plan(number_or_die(*next), &start);
  start.arguments = next + 1;
  if (order.entered != NULL) {
    int pid = number_or_die(order.entered);
    if (pid == 0) die(STEP_USAGE, -1, 0, NULL, usage);
    enter_run(&start, pid, order.group);
  }
  start.plan.joined = order.parent >= 0;
  start.parent = (struct start_parent){order.parent, order.parent >= 0 && order.shared};
  if (!held_take(&start)) die(STEP_LOWER, -1, errno, plan_word(&start.plan, start.plan.held, 0), "Run it again.");
  trace_mark("read the plan", NULL);
  struct failure failure;
  if (!prepare_start(&start, &failure)) die(failure.step, -1, failure.error, failure.subject, failure.hint);
  passed_tell(&start.passed, start.instance.number);
  monitor_run(&start);
}

int main(int count, char **words) {
  // With somebody else's rights the caller's environment would decide what runs.
  if (getauxval(AT_SECURE) != 0) die(STEP_USAGE, -1, EPERM, NULL, "Dowel must not be set-user-id.");
  if (count < 1) die(STEP_USAGE, -1, EINVAL, NULL, NULL);
  if (strcmp(words[0], "dowel-launch") == 0) launch(words);
  if (strcmp(words[0], "dowel-keep") == 0) keep_run(words);
  if (strcmp(words[0], "dowel-library") == 0) library_run(words);
  if (strcmp(words[0], "dowel-document") == 0) document_run(words);
  if (count == 2 && strcmp(words[1], "--version") == 0) {
    return write(STDOUT_FILENO, version, sizeof version - 1) == (ssize_t)sizeof version - 1 ? 0 : 1;
  }
  warm_run(words);
  program_execute(words);
}
