// SPDX-License-Identifier: Apache-2.0
// Runs in a sandbox: says when each folder of the library can be used, in nanoseconds since 1970.
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SHELF "/run/flatpak/library"

static void tell(const char *name) {
  char path[PATH_MAX];
  struct stat status;
  struct timespec now;
  snprintf(path, sizeof path, SHELF "/%s/marker", name);
  // The name comes before the mount.
  while (stat(path, &status) != 0) sched_yield();
  clock_gettime(CLOCK_REALTIME, &now);
  printf("%s %lld\n", name, now.tv_sec * 1000000000LL + now.tv_nsec);
}

int main(void) {
  static char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
  int fd = inotify_init();
  if (fd < 0 || inotify_add_watch(fd, SHELF, IN_CREATE) < 0) return 1;
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("ready");
  for (;;) {
    ssize_t length = read(fd, buffer, sizeof buffer);
    if (length <= 0) return 1;
    for (char *at = buffer; at < buffer + length;) {
      struct inotify_event *event = (struct inotify_event *)(void *)at;
      tell(event->name);
      at += sizeof *event + event->len;
    }
  }
}
