// SPDX-License-Identifier: Apache-2.0
// The one way in which the launcher gives up.
#pragma once

enum step {
  STEP_USAGE,
  STEP_PROGRAM,
  STEP_PLAN,
  STEP_PLAN_REFUSED,
  STEP_NAMESPACE,
  STEP_IDENTITY,
  STEP_NETWORK,
  STEP_SOURCE,
  STEP_LOWER,
  STEP_ROOT,
  STEP_TARGET,
  STEP_MOUNT,
  STEP_PIVOT,
  STEP_PRIVILEGES,
  STEP_SECCOMP,
  STEP_PROCESS,
  STEP_INSTANCE,
  STEP_CGROUP,
  STEP_SESSION,
  STEP_LIMIT,
  STEP_LANDLOCK,
  STEP_ENTER,
  STEP_FOLDER,
  STEP_COMMAND,
};

enum exit_code {
  EXIT_SETUP = 1,
  EXIT_NOT_EXECUTABLE = 126,
  EXIT_NOT_FOUND = 127,
};

// A failure to start is written to `fd` as one line of JSON instead of to stderr as text; -1 for stderr.
void fail_report_to(int fd);

// Says what could not be done and why, and ends the process. `operation` is the index of the plan's mount operation, or
// -1; `error` an errno, or 0; `subject` and `hint` may be null.
_Noreturn void die(enum step step, int operation, int error, const char *subject, const char *hint);

// The same with an exit code of its own.
_Noreturn void die_with(enum exit_code code, enum step step, int error, const char *subject, const char *hint);
