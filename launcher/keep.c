// SPDX-License-Identifier: Apache-2.0
#include "keep.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include "fail.h"
#include "program.h"
#include "sys.h"

enum { DEATHS_MAX = 5, PAUSE_NANOSECONDS = 250000000, LONG_LIFE_SECONDS = 60 };

static long long seconds_now(void) {
  struct timespec now = {0};
  syscall(SYS_clock_gettime, (long)CLOCK_BOOTTIME, &now);
  return now.tv_sec;
}

// Runs the program once, and answers how it ended.
static int run_once(char **words) {
  int status;
  pid_t child = sys_clone(SIGCHLD);
  if (child < 0) die(STEP_PROCESS, -1, errno, NULL, NULL);
  if (child == 0) program_execute(words);
  while (waitpid(child, &status, 0) != child) {
    if (errno != EINTR) die(STEP_PROCESS, -1, errno, NULL, NULL);
  }
  return status;
}

// Somebody wanted it to end, and it was too busy to do so by itself.
static bool was_told(int signal) { return signal == SIGTERM || signal == SIGINT || signal == SIGHUP; }

// Who waited to hear that it runs has gone: what later ones say goes nowhere.
static void be_silent(void) {
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null < 0 || syscall(SYS_dup3, (long)null, (long)STDOUT_FILENO, 0L) < 0) die(STEP_PROCESS, -1, errno, NULL, NULL);
  close(null);
}

_Noreturn void keep_run(char **words) {
  static const struct timespec pause = {.tv_nsec = PAUSE_NANOSECONDS};
  static char name[] = "dowel";
  words[0] = name;
  for (int deaths = 0; deaths < DEATHS_MAX; deaths++) {
    long long begun = seconds_now();
    int status = run_once(words);
    if (!WIFSIGNALED(status)) _exit(WEXITSTATUS(status));
    if (was_told(WTERMSIG(status))) _exit(0);
    if (seconds_now() - begun > LONG_LIFE_SECONDS) deaths = 0;
    be_silent();
    syscall(SYS_nanosleep, &pause, 0L);
  }
  _exit(EXIT_SETUP);
}
