// SPDX-License-Identifier: Apache-2.0
// A sandbox beside or below one that runs already: its processes are in the other's pid namespace, or in a new one that
// the other sees. Both then share the user namespace, which allows no other below it; so who may make none there cannot
// make one here either. Landlock keeps each from reaching into the other's processes.
#include <errno.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"
#include "sys.h"

// ioctl_ns(2): the user namespace that a namespace belongs to.
enum { NAMESPACE_OWNER = 0xb701 };

static int enter_parent(int pids) {
  int users = (int)syscall(SYS_ioctl, (long)pids, (long)NAMESPACE_OWNER);
  if (users < 0 || syscall(SYS_setns, (long)users, (long)CLONE_NEWUSER) != 0) return errno;
  return syscall(SYS_setns, (long)pids, (long)CLONE_NEWPID) == 0 ? 0 : errno;
}

// What the monitor is told: by the first helper of the second one, by the init of itself, by whom it may be of an error.
struct report {
  pid_t between;
  // The host's number, or the errno below zero.
  pid_t init;
};

static void tell(int answer, struct report report) {
  if (write(answer, &report, sizeof report) != (ssize_t)sizeof report) _exit(1);
}

static _Noreturn void leave(int answer, struct report report) {
  tell(answer, report);
  _exit(0);
}

// While /proc is still the host's.
static pid_t own_number(void) {
  char self[16];
  pid_t number = 0;
  ssize_t length = readlink("/proc/self", self, sizeof self);
  for (ssize_t i = 0; i < length; i++) number = number * 10 + (self[i] - '0');
  return number > 0 ? number : -ESRCH;
}

// Goes in and starts the init as a child of the monitor, which stays outside. Returns only in the init. A pid namespace
// can only be made by a process that is itself in the one above it, hence a second helper.
static void start_from_within(const struct start *start, unsigned long flags, int answer) {
  int error = enter_parent(start->parent.pids);
  if (error != 0) leave(answer, (struct report){.init = -error});
  if (!start->parent.shared) {
    pid_t between = sys_clone(CLONE_PARENT | SIGCHLD);
    if (between != 0) leave(answer, between > 0 ? (struct report){.between = between} : (struct report){.init = -errno});
  }
  pid_t init = sys_clone(flags | CLONE_PARENT | SIGCHLD);
  if (init < 0) leave(answer, (struct report){.init = -errno});
  if (init > 0) _exit(0);
  tell(answer, (struct report){.init = own_number()});
}

static void collect(pid_t helper) {
  int status;
  while (helper > 0 && waitpid(helper, &status, 0) < 0 && errno == EINTR) {
  }
}

pid_t join_start(const struct start *start, unsigned long flags) {
  int ends[2];
  if (syscall(SYS_pipe2, ends, (long)O_CLOEXEC) != 0) return -1;
  bool grouped = start->cgroup.folder >= 0;
  pid_t helper = grouped ? sys_clone_into(0, start->cgroup.folder) : sys_clone(SIGCHLD);
  if (helper < 0) return -1;
  if (helper == 0) {
    start_from_within(start, flags, ends[1]);
    return 0;
  }
  close(ends[1]);
  struct report all = {.between = start->parent.shared ? -1 : 0};
  while (all.init == 0 || (all.init > 0 && all.between == 0)) {
    struct report one;
    long count = syscall(SYS_read, (long)ends[0], &one, sizeof one);
    if (count < 0 && errno == EINTR) continue;
    if (count != (long)sizeof one) one = (struct report){.init = -ESRCH};
    if (one.init != 0) all.init = one.init;
    if (one.between != 0) all.between = one.between;
  }
  close(ends[0]);
  collect(helper);
  collect(all.between);
  if (all.init > 0) return all.init;
  errno = -all.init;
  return -1;
}
