// SPDX-License-Identifier: Apache-2.0
// Runs a command in a sandbox that is there already: in all its namespaces and its control group, with no more rights
// than the app, and behind the filter that the plan brings.
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"
#include "run.h"
#include "signals.h"
#include "sys.h"
#include "text.h"

static const char gone_hint[] = "It has ended, or belongs to somebody else; `dowel ps` lists what runs.";

static ino_t namespace_of(const char *process, const char *name) {
  char buffer[64];
  struct text path = TEXT(buffer);
  struct stat status;
  text_add(&path, "/proc/");
  text_add(&path, process);
  text_add(&path, "/ns/");
  text_add(&path, name);
  if (stat(path.data, &status) != 0) die(STEP_ENTER, -1, errno, path.data, gone_hint);
  return status.st_ino;
}

// The namespaces that the sandbox does not share with the caller: nobody can enter those where they are already.
static int other_namespaces(pid_t pid) {
  static const struct {
    const char *name;
    int flag;
  } kinds[] = {{"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS}, {"pid", CLONE_NEWPID},
               {"uts", CLONE_NEWUTS},   {"ipc", CLONE_NEWIPC}, {"net", CLONE_NEWNET}};
  char buffer[16];
  struct text process = TEXT(buffer);
  text_add_number(&process, pid);
  int flags = 0;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (namespace_of("self", kinds[i].name) != namespace_of(process.data, kinds[i].name)) flags |= kinds[i].flag;
  }
  return flags;
}

static int set_namespaces(int process, int flags) { return (int)syscall(SYS_setns, (long)process, (long)flags); }

static _Noreturn void watch(pid_t child) {
  sigset_t watched;
  signals_to_watch(&watched);
  for (;;) {
    siginfo_t info;
    if (sigwaitinfo(&watched, &info) < 0) continue;
    // What the terminal sends reaches the command by itself.
    if (info.si_signo != SIGCHLD && info.si_code <= 0) kill(child, info.si_signo);
    int status;
    if (info.si_signo != SIGCHLD || waitpid(child, &status, WNOHANG) != child) continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
}

_Noreturn void enter_run(struct start *start, pid_t pid, const char *group) {
  signals_prepare(&start->signals);
  // Processes of the sandbox see the new one before it becomes the command: they must not reach into it.
  if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0) die(STEP_PRIVILEGES, -1, errno, NULL, NULL);
  int process = (int)syscall(SYS_pidfd_open, (long)pid, 0L);
  if (process < 0) die(STEP_ENTER, -1, errno, NULL, gone_hint);
  int flags = other_namespaces(pid);
  int folder = group == NULL ? -1 : open(group, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if ((flags & CLONE_NEWUSER) == 0) die(STEP_ENTER, -1, 0, "(it is not a sandbox)", gone_hint);
  // Root enters the user namespace last: inside it has no right over control groups. Others have rights over the other
  // namespaces only inside.
  int first = set_namespaces(process, CLONE_NEWPID) == 0 ? CLONE_NEWPID : flags;
  if (first == flags && set_namespaces(process, flags) != 0) die(STEP_ENTER, -1, errno, NULL, gone_hint);
  start->mask = umask(0);
  // In the sandbox's control group where the caller may put something there, else in the caller's own.
  pid_t child = folder < 0 ? -1 : sys_clone_into(0, folder);
  if (child < 0) child = sys_clone(SIGCHLD);
  if (child < 0) die(STEP_PROCESS, -1, errno, NULL, NULL);
  if (child > 0) {
    sys_close_range(0, ~0U, 0);
    watch(child);
  }
  if (prctl(PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L) != 0) die(STEP_PROCESS, -1, errno, NULL, NULL);
  if (first != flags && set_namespaces(process, flags & ~first) != 0) die(STEP_ENTER, -1, errno, NULL, gone_hint);
  // Last, since only who stands outside can be put into a group.
  if (set_namespaces(process, CLONE_NEWCGROUP) != 0) die(STEP_ENTER, -1, errno, NULL, NULL);
  identity_drop_capabilities();
  app_execute(start);
}
