// SPDX-License-Identifier: Apache-2.0
#include "signals.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FORWARD_MARK = 0x0d01e1 };

#define BIT(number) (1UL << ((number)-1))

void signals_to_watch(sigset_t *set) {
  static const unsigned long left_alone = BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU) | BIT(SIGSEGV) | BIT(SIGBUS) |
                                          BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGABRT) | BIT(SIGSYS);
  set->__val[0] = ~left_alone;
}

void signals_prepare(sigset_t *before) {
  sigset_t watched;
  signals_to_watch(&watched);
  sigprocmask(SIG_BLOCK, &watched, before);
  // A caller that ignores SIGCHLD would make every exit code vanish. The default action is all zeros.
  static const unsigned long default_action[8];
  syscall(SYS_rt_sigaction, (long)SIGCHLD, default_action, NULL, sizeof(unsigned long));
}

void signals_forward(pid_t init, int signal) {
  sigqueue(init, signal, (union sigval){.sival_int = FORWARD_MARK});
}

bool signals_is_forwarded(const siginfo_t *info) {
  return info->si_code == SI_QUEUE && info->si_value.sival_int == FORWARD_MARK;
}
