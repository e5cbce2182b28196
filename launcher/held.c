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

static size_t add_sorted(int *fds, size_t count, int fd) {
  size_t at = count;
  for (; at > 0 && fds[at - 1] > fd; at--) fds[at] = fds[at - 1];
  fds[at] = fd;
  return count + 1;
}

void held_close_others(const struct start *start) {
  int kept[PLAN_HELD_MAX + 7 + SESSION_DESCRIPTORS_MAX];
  int session[SESSION_DESCRIPTORS_MAX];
  size_t count = 0;
  for (uint32_t i = 0; i < start->plan.held.count; i++) count = add_sorted(kept, count, start->held[i]);
  if (start->instance.number[0] != '\0') {
    count = add_sorted(kept, count, start->instance.parent);
    count = add_sorted(kept, count, start->instance.folder);
    count = add_sorted(kept, count, start->instance.lock);
  }
  if (start->wayland.state == WAYLAND_CONTEXT) count = add_sorted(kept, count, start->wayland.life);
  if (start->cgroup.folder >= 0) {
    count = add_sorted(kept, count, start->cgroup.parent);
    count = add_sorted(kept, count, start->cgroup.folder);
    if (start->cgroup.limited) count = add_sorted(kept, count, STDERR_FILENO);
  }
  size_t buses = session_descriptors(start, session);
  for (size_t i = 0; i < buses; i++) count = add_sorted(kept, count, session[i]);
  unsigned next = 0;
  for (size_t i = 0; i < count; i++) {
    unsigned fd = (unsigned)kept[i];
    if (fd > next) sys_close_range(next, fd - 1, 0);
    next = fd + 1;
  }
  sys_close_range(next, ~0U, 0);
}
