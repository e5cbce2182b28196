// SPDX-License-Identifier: Apache-2.0
// The monitor stays in the host's namespaces, so that whoever started it can wait for it and send it signals.
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"
#include "hints.h"
#include "run.h"
#include "signals.h"
#include "sys.h"

// Where the caller has gone already there is nobody to die with later, so it ends here.
static void die_with_parent(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L) != 0) die(STEP_PROCESS, -1, errno, NULL, NULL);
  if (getppid() != parent) _exit(EXIT_SETUP);
}

static unsigned long namespace_flags(const struct start *start) {
  const struct plan *plan = &start->plan;
  unsigned long flags = CLONE_NEWNS | CLONE_NEWUTS;
  if (!plan->joined) flags |= CLONE_NEWUSER;
  if (!start->parent.shared) flags |= CLONE_NEWPID;
  if ((plan->flags & PLAN_NETWORK) != 0) flags |= CLONE_NEWNET;
  if ((plan->flags & PLAN_IPC) != 0) flags |= CLONE_NEWIPC;
  return flags;
}

static int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// The terminal sends its signals to the whole group, so the app has those already; only what somebody sent to the
// monitor alone is passed on.
static void pass_on(const siginfo_t *info, pid_t init) {
  if (info->si_code <= 0) signals_forward(init, info->si_signo);
}

// Nothing of the sandbox lives any more: with the init the kernel has ended it all, but for one that is not the first of
// its pid namespace.
static _Noreturn void finish(const struct start *start, int status) {
  if (start->parent.shared) cgroup_end(start);
  cgroup_tell_limits(start);
  cgroup_remove(start);
  instance_remove(start);
  _exit(exit_code(status));
}

// Waits for a signal; false where none came and the session service is to be looked for again.
static bool next_signal(const struct start *start, const sigset_t *watched, siginfo_t *info) {
  static const struct timespec pause = {.tv_sec = 2};
  if (!start->session.lost) return sigwaitinfo(watched, info) >= 0;
  return syscall(SYS_rt_sigtimedwait, watched, info, &pause, sizeof(unsigned long)) >= 0;
}

static _Noreturn void watch(struct start *start, pid_t init) {
  sigset_t watched;
  signals_to_watch(&watched);
  for (;;) {
    siginfo_t info;
    if (!next_signal(start, &watched, &info)) {
      if (start->session.lost) session_retry(start);
      continue;
    }
    if (info.si_signo == SIGIO && info.si_code > 0) {
      session_serve(start);
      continue;
    }
    if (info.si_signo != SIGCHLD) {
      pass_on(&info, init);
      continue;
    }
    int status;
    if (waitpid(init, &status, WNOHANG) == init) finish(start, status);
  }
}

static _Noreturn void refuse(const struct start *start, int error) {
  bool grouped = start->cgroup.folder >= 0;
  cgroup_remove(start);
  instance_remove(start);
  // The kernel asks for the right to write to the control group above both, too.
  if (grouped && error == EACCES) {
    die(STEP_CGROUP, -1, error, start->cgroup.name, "The caller may not move processes there; try --no-require-cgroup.");
  }
  die(STEP_NAMESPACE, -1, error, NULL, hint_for_namespaces(error));
}

// In its control group from its first instruction on.
static pid_t start_init(const struct start *start) {
  unsigned long flags = namespace_flags(start);
  if (start->plan.joined) return join_start(start, flags);
  if (start->cgroup.folder < 0) return sys_clone(flags | SIGCHLD);
  return sys_clone_into(flags, start->cgroup.folder);
}

_Noreturn void monitor_run(struct start *start) {
  if ((start->plan.flags & PLAN_DIE_WITH_PARENT) != 0) die_with_parent(getppid());
  if (start->plan.cwd == NULL && getcwd(start->cwd, sizeof start->cwd) == NULL) start->cwd[0] = '\0';
  start->user = geteuid();
  start->group = getegid();
  signals_prepare(&start->signals);
  start->monitor = (int)syscall(SYS_pidfd_open, (long)getpid(), 0L);
  if (start->monitor < 0) die(STEP_PROCESS, -1, errno, NULL, "Dowel needs Linux 5.12 or newer.");
  pid_t init = start_init(start);
  if (init < 0) refuse(start, errno);
  if (init == 0) init_run(start);
  session_adopt(start, init);
  start->session.dies = (start->plan.flags & PLAN_DIE_WITH_PARENT) != 0;
  if (start->plan.session.socket != NULL) session_hand_over(start);
  // A pipe to the caller must end when the app closes it, and a report when the app has started.
  held_close_others(start);
  plan_forget(start);
  watch(start, init);
}
