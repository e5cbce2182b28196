// SPDX-License-Identifier: Apache-2.0
#include "signals.h"

#include <stddef.h>

enum { FORWARD_MARK = 0x0d01e1 };

void signals_to_watch(sigset_t *set) {
  static const int left_alone[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
  sigfillset(set);
  for (size_t i = 0; i < sizeof left_alone / sizeof left_alone[0]; i++) sigdelset(set, left_alone[i]);
}

void signals_prepare(sigset_t *before) {
  sigset_t watched;
  signals_to_watch(&watched);
  sigprocmask(SIG_BLOCK, &watched, before);
  // A caller that ignores SIGCHLD would make every exit code vanish.
  signal(SIGCHLD, SIG_DFL);
}

void signals_forward(pid_t init, int signal) {
  sigqueue(init, signal, (union sigval){.sival_int = FORWARD_MARK});
}

bool signals_is_forwarded(const siginfo_t *info) {
  return info->si_code == SI_QUEUE && info->si_value.sival_int == FORWARD_MARK;
}
