// SPDX-License-Identifier: Apache-2.0
// Runs in a sandbox: says when each folder of the library can be used, "NAME NANOSECONDS" since 1970, and "-NAME" when it
// has gone. The table of mounts tells (proc_pid_mountinfo(5)): inotify(7) is not told of mounts, and a folder for one may
// be there before.
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SHELF "/run/flatpak/library/"

enum { NAMES = 64 };

struct names {
  char name[NAMES][NAME_MAX + 1];
  int count;
};

static bool holds(const struct names *names, const char *name) {
  for (int at = 0; at < names->count; at++) {
    if (strcmp(names->name[at], name) == 0) return true;
  }
  return false;
}

static void tell(const char *name) {
  char path[PATH_MAX];
  struct stat status;
  struct timespec now;
  snprintf(path, sizeof path, SHELF "%s/marker", name);
  if (stat(path, &status) != 0) return;
  clock_gettime(CLOCK_REALTIME, &now);
  printf("%s %lld\n", name, now.tv_sec * 1000000000LL + now.tv_nsec);
}

static void look(int fd, struct names *found) {
  static char table[1 << 18];
  size_t length = 0;
  found->count = 0;
  for (ssize_t count; (count = pread(fd, table + length, sizeof table - 1 - length, (off_t)length)) > 0;) length += (size_t)count;
  table[length] = '\0';
  for (char *line = strtok(table, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    char target[PATH_MAX];
    if (sscanf(line, "%*s %*s %*s %*s %4095s", target) != 1 || strncmp(target, SHELF, sizeof SHELF - 1) != 0) continue;
    const char *name = target + sizeof SHELF - 1;
    if (strchr(name, '/') != NULL || strlen(name) > NAME_MAX || found->count == NAMES || holds(found, name)) continue;
    strcpy(found->name[found->count++], name);
  }
}

int main(void) {
  static struct names tables[2];
  int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), now = 0;
  if (fd < 0) return 1;
  setvbuf(stdout, NULL, _IOLBF, 0);
  look(fd, &tables[now]);
  puts("ready");
  for (;;) {
    struct pollfd changed = {.fd = fd, .events = POLLPRI};
    if (poll(&changed, 1, -1) <= 0) return 1;
    const struct names *before = &tables[now];
    struct names *after = &tables[now = 1 - now];
    look(fd, after);
    for (int at = 0; at < after->count; at++) {
      if (!holds(before, after->name[at])) tell(after->name[at]);
    }
    for (int at = 0; at < before->count; at++) {
      if (!holds(after, before->name[at])) printf("-%s\n", before->name[at]);
    }
  }
}
