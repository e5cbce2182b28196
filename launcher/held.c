// SPDX-License-Identifier: Apache-2.0
// Folders that must not be swept away while a sandbox uses them. The monitor holds a shared lock on each as long as it
// lives; whoever sweeps takes the lock for itself first. The root opens the same folder once more: an overlay takes no
// folder by a descriptor of another mount namespace.
#include <errno.h>
#include <sys/file.h>

#include "fail.h"
#include "run.h"
#include "sys.h"

bool held_take(struct start *start) {
  const struct words *folders = &start->plan.held;
  for (uint32_t i = 0; i < folders->count; i++) {
    int fd = open(plan_word(&start->plan, *folders, i), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return false;
    while (syscall(SYS_flock, (long)fd, (long)LOCK_SH) != 0 && errno == EINTR) {
    }
    start->held[i] = fd;
  }
  return true;
}

// Descriptors are given in rising order, so the folders are in order too.
void held_close_others(const struct start *start) {
  unsigned next = 0;
  for (uint32_t i = 0; i < start->plan.held.count; i++) {
    unsigned fd = (unsigned)start->held[i];
    if (fd > next) sys_close_range(next, fd - 1, 0);
    next = fd + 1;
  }
  sys_close_range(next, ~0U, 0);
}
