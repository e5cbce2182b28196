// SPDX-License-Identifier: Apache-2.0
// The init: first process of the sandbox's pid namespace. It builds the sandbox, starts the app, collects the dead.
// The order below is the argument for why the app stays inside; each line relies on those above it.
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"
#include "hints.h"
#include "run.h"
#include "signals.h"
#include "sys.h"
#include "trace.h"

// The kernel kills the init, and with it everything in its pid namespace, when the monitor dies. If that happened
// before the request, the descriptor says so.
static void die_with_monitor(int monitor) {
  if (prctl(PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L) != 0) die(STEP_PROCESS, -1, errno, NULL, NULL);
  struct pollfd gone = {.fd = monitor, .events = POLLIN};
  if (poll(&gone, 1, 0) != 0) _exit(EXIT_SETUP);
}

static void collect(pid_t app) {
  int status;
  pid_t dead;
  while ((dead = waitpid(-1, &status, WNOHANG)) > 0) {
    // With the init the kernel kills all that the app left behind.
    if (dead == app) _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
}

static _Noreturn void watch(pid_t app) {
  sigset_t watched;
  signals_to_watch(&watched);
  for (;;) {
    siginfo_t info;
    if (sigwaitinfo(&watched, &info) < 0) continue;
    if (info.si_signo == SIGCHLD) {
      collect(app);
    } else if (signals_is_forwarded(&info)) {
      kill(app, info.si_signo);
    }
  }
}

// The sandbox's view of files: nothing of the host is reachable afterwards but what the plan names.
static void build_root(const struct start *start) {
  static struct sources sources;
  // 1. All sources are opened while only the host's tree exists: nothing in the sandbox can redirect them.
  sources_open(start, &sources);
  trace_mark("open the sources", NULL);
  // 2. The new root, read-only and not yet used by any process.
  int root = root_mount(&start->plan);
  trace_mark("mount the root", NULL);
  // 3. Mounts on it, with their flags set before they are visible, at targets resolved beneath the new root and never
  //    through a symbolic link.
  mounts_apply(start, &sources, root);
  // 4. The host's tree is detached; what is left of it are the mounts made above.
  root_enter(root);
  trace_mark("change the root", NULL);
}

_Noreturn void init_run(struct start *start) {
  const struct plan *plan = &start->plan;
  trace_mark("create the namespaces", NULL);
  die_with_monitor(start->monitor);
  if (!plan->joined) identity_map(start->user, start->group);
  // What the app leaves comes to the init also where that is not the first of its pid namespace.
  if (start->parent.shared && prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) != 0) {
    die(STEP_PROCESS, -1, errno, NULL, NULL);
  }
  trace_mark("map the user", NULL);
  // Not with the other namespaces: it begins at the group that a process is in when it makes it.
  if (unshare(CLONE_NEWCGROUP) != 0) die(STEP_NAMESPACE, -1, errno, NULL, hint_for_namespaces(errno));
  instance_describe(start);
  start->mask = umask(0);
  if ((plan->flags & PLAN_NETWORK) != 0) network_raise_loopback();
  if (plan->hostname != NULL && sethostname(plan->hostname, __builtin_strlen(plan->hostname)) != 0) {
    die(STEP_NAMESPACE, -1, errno, plan->hostname, NULL);
  }
  trace_mark("set up the network", NULL);
  build_root(start);
  session_wait(start);
  // The app, and a sandbox that this one joins, run as the same user: they must not trace the init, nor reach the host
  // through its /proc entries, from the moment on when it has no more rights than they. The app's own exec makes the app
  // dumpable again.
  if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0) die(STEP_PRIVILEGES, -1, errno, NULL, NULL);
  // From here on neither init nor app has any capability, nor a way to regain one.
  identity_drop_capabilities();
  trace_mark("drop privileges", NULL);
  pid_t app = sys_clone(SIGCHLD);
  if (app < 0) die(STEP_PROCESS, -1, errno, NULL, NULL);
  if (app == 0) app_execute(start);
  sys_close_range(0, ~0U, 0);
  plan_forget(start);
  watch(app);
}
