// SPDX-License-Identifier: Apache-2.0
#include "trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "plan.h"
#include "sys.h"
#include "text.h"

enum { MARKS_MAX = PLAN_MOUNTS_MAX + 32 };

struct mark {
  const char *step;
  const char *subject;
  int64_t time;
};

// Each process goes on with a copy, so the app's own has the steps of all.
static struct mark marks[MARKS_MAX];
static size_t count;
static int64_t begin;
static bool on;

static int64_t now(void) {
  struct timespec time;
  syscall(SYS_clock_gettime, (long)CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000 + time.tv_nsec;
}

void trace_begin(void) {
  on = true;
  begin = now();
}

void trace_mark(const char *step, const char *subject) {
  if (on && count < MARKS_MAX) marks[count++] = (struct mark){step, subject, now()};
}

void trace_print(void) {
  int64_t last = begin;
  for (size_t i = 0; i < count; i++) {
    char buffer[PLAN_PATH_MAX + 128];
    struct text line = TEXT(buffer);
    text_add(&line, "trace: ");
    text_add_number(&line, (marks[i].time - begin) / 1000);
    text_add(&line, " us  +");
    text_add_number(&line, (marks[i].time - last) / 1000);
    text_add(&line, "  ");
    text_add(&line, marks[i].step);
    if (marks[i].subject != NULL) {
      text_add(&line, " ");
      text_add_foreign(&line, marks[i].subject);
    }
    text_add(&line, "\n");
    text_write(&line, STDERR_FILENO);
    last = marks[i].time;
  }
}
