// SPDX-License-Identifier: Apache-2.0
// The `dowel` command. It answers what must be fast and hands the rest to Dowel's program.
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "fail.h"
#include "keep.h"
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

static const char usage[] =
    "dowel-launch [--report=FD] [--trace] [--instance-id-fd=FD] [--parent=FD [--share-pids]] [--enter=PID "
    "[--group=FOLDER]] FD [ARGUMENT...]";

// What is asked for besides the plan; -1 or null for what is not.
struct order {
  int told;
  int parent;
  bool shared;
  const char *entered;
  const char *group;
};

static int number_or_die(const char *word) {
  int number = parse_number(word);
  if (number < 0) die(STEP_USAGE, -1, 0, NULL, usage);
  return number;
}

// Reads the options and returns the words after them.
static char **read_order(char **next, struct order *order) {
  const char *value;
  *order = (struct order){.told = -1, .parent = -1};
  for (; *next != NULL && strncmp(*next, "--", 2) == 0; next++) {
    if ((value = value_of(*next, "--report=")) != NULL) {
      fail_report_to(number_or_die(value));
    } else if (strcmp(*next, "--trace") == 0) {
      trace_begin();
    } else if ((value = value_of(*next, "--instance-id-fd=")) != NULL) {
      order->told = number_or_die(value);
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
  char **next = read_order(words + 1, &order);
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
  if (order.told >= 0) tell_instance(&start, order.told);
  monitor_run(&start);
}

int main(int count, char **words) {
  // With somebody else's rights the caller's environment would decide what runs.
  if (getauxval(AT_SECURE) != 0) die(STEP_USAGE, -1, EPERM, NULL, "Dowel must not be set-user-id.");
  if (count < 1) die(STEP_USAGE, -1, EINVAL, NULL, NULL);
  if (strcmp(words[0], "dowel-launch") == 0) launch(words);
  if (strcmp(words[0], "dowel-keep") == 0) keep_run(words);
  if (count == 2 && strcmp(words[1], "--version") == 0) {
    return write(STDOUT_FILENO, version, sizeof version - 1) == (ssize_t)sizeof version - 1 ? 0 : 1;
  }
  warm_run(words);
  program_execute(words);
}
