// SPDX-License-Identifier: Apache-2.0
// The folder that tells portals, Flatpak and `dowel ps` what runs, as Flatpak's contract has it: `info`, `pid`,
// `bwrapinfo.json`, and `.ref`, whose lock says that the sandbox lives. `dowel` says what is Dowel's own.
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "run.h"
#include "sys.h"
#include "text.h"

enum { ATTEMPTS = 64 };

static bool fail(struct failure *failure, const char *subject, const char *hint) {
  *failure = (struct failure){STEP_INSTANCE, errno, subject, hint};
  return false;
}

// Microseconds since the machine came up. No start is that short, so numbers that follow the clock do not come again
// where the counter was lost.
static uint64_t clock_number(void) {
  struct timespec time;
  syscall(SYS_clock_gettime, (long)CLOCK_BOOTTIME, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static uint64_t parse_number(const char *text, ssize_t length) {
  uint64_t number = 0;
  for (ssize_t i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++) number = number * 10 + (uint64_t)(text[i] - '0');
  return number;
}

static bool next_number(const char *counter, struct text *number) {
  // Numbers of more digits are none that were given out.
  char last[19];
  int fd = open(counter, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  while (syscall(SYS_flock, (long)fd, (long)LOCK_EX) != 0 && errno == EINTR) {
  }
  uint64_t next = parse_number(last, pread(fd, last, sizeof last - 1, 0)) + 1;
  uint64_t now = clock_number();
  if (next < now) next = now;
  text_add_number(number, (int64_t)next);
  // Numbers grow, so the new one covers the old one.
  bool written = write(fd, number->data, number->length) == (ssize_t)number->length;
  close(fd);
  return written;
}

// Makes the folder of a number that nobody has: Flatpak gives numbers of its own in the same place.
static bool make_folder(struct start *start, struct failure *failure) {
  struct start_instance *instance = &start->instance;
  const char *counter = start->plan.instance.counter;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    struct text number = TEXT(instance->number);
    if (!next_number(counter, &number)) return fail(failure, counter, NULL);
    if (mkdirat(instance->parent, instance->number, 0755) == 0) break;
    if (errno != EEXIST) return fail(failure, start->plan.instance.folder, NULL);
  }
  instance->folder = openat(instance->parent, instance->number, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return instance->folder >= 0 || fail(failure, start->plan.instance.folder, NULL);
}

static bool open_parent(struct start *start, struct failure *failure) {
  const char *path = start->plan.instance.folder;
  const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  start->instance.parent = open(path, flags);
  if (start->instance.parent < 0 && errno == ENOENT && mkdirat(AT_FDCWD, path, 0755) == 0) {
    start->instance.parent = open(path, flags);
  }
  return start->instance.parent >= 0 || fail(failure, path, NULL);
}

static bool write_all(int fd, const char *data, size_t length) {
  while (length > 0) {
    ssize_t count = write(fd, data, length);
    if (count < 0) return false;
    data += count;
    length -= (size_t)count;
  }
  return true;
}

static int create(const struct start *start, const char *name, mode_t mode) {
  return openat(start->instance.folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
}

static bool write_file(const struct start *start, const char *name, const struct text *text) {
  int fd = create(start, name, 0644);
  bool written = fd >= 0 && write_all(fd, text->data, text->length);
  if (fd >= 0) close(fd);
  return written;
}

static bool write_info(const struct start *start) {
  const struct plan_instance *plan = &start->plan.instance;
  int fd = create(start, "info", 0600);
  bool written = fd >= 0 && write_all(fd, plan->before.data, plan->before.length) &&
                 write_all(fd, start->instance.number, strlen(start->instance.number)) &&
                 write_all(fd, plan->after.data, plan->after.length);
  if (fd >= 0) close(fd);
  return written;
}

// A read lock of fcntl(2), which is what Flatpak looks for before it takes the folder away.
static bool lock_folder(struct start *start) {
  struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
  start->instance.lock = openat(start->instance.folder, ".ref", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
  return start->instance.lock >= 0 && fcntl(start->instance.lock, F_SETLK, &lock) == 0;
}

bool instance_make(struct start *start, struct failure *failure) {
  if (!open_parent(start, failure) || !make_folder(start, failure)) return false;
  char buffer[16];
  struct text pid = TEXT(buffer);
  text_add_number(&pid, getpid());
  if (lock_folder(start) && write_info(start) && write_file(start, "pid", &pid)) return true;
  fail(failure, start->plan.instance.folder, NULL);
  instance_remove(start);
  return false;
}

void instance_name_group(const struct start *start, const char *path) {
  char buffer[2 * PLAN_PATH_MAX];
  struct text text = TEXT(buffer);
  text_add(&text, "{\"cgroup\":\"");
  text_add_json(&text, path);
  text_add(&text, "\"}\n");
  write_file(start, "dowel", &text);
}

static void add_namespace(struct text *text, const char *name, const char *file) {
  char buffer[32];
  struct text path = TEXT(buffer);
  struct stat status;
  text_add(&path, "/proc/self/ns/");
  text_add(&path, file);
  if (stat(path.data, &status) != 0) die(STEP_INSTANCE, -1, errno, path.data, NULL);
  text_add(text, ",\n    \"");
  text_add(text, name);
  text_add(text, "-namespace\": ");
  text_add_number(text, (int64_t)status.st_ino);
}

// In the init, while /proc is still the host's: there it sees its own number as the host does.
void instance_describe(const struct start *start) {
  if (start->instance.number[0] == '\0') return;
  char self[16];
  ssize_t length = readlink("/proc/self", self, sizeof self);
  if (length <= 0) die(STEP_INSTANCE, -1, errno, "/proc/self", "Dowel needs /proc to be mounted.");
  char buffer[512];
  struct text text = TEXT(buffer);
  text_add(&text, "{\n    \"child-pid\": ");
  text_add_part(&text, self, (size_t)length);
  add_namespace(&text, "cgroup", "cgroup");
  if ((start->plan.flags & PLAN_IPC) != 0) add_namespace(&text, "ipc", "ipc");
  add_namespace(&text, "mnt", "mnt");
  if ((start->plan.flags & PLAN_NETWORK) != 0) add_namespace(&text, "net", "net");
  add_namespace(&text, "pid", "pid");
  add_namespace(&text, "uts", "uts");
  text_add(&text, "\n}\n");
  if (!write_file(start, "bwrapinfo.json", &text)) die(STEP_INSTANCE, -1, errno, "bwrapinfo.json", NULL);
}

void instance_remove(const struct start *start) {
  static const char *const names[] = {"info", "pid", "bwrapinfo.json", "dowel", "wayland", ".ref"};
  if (start->instance.number[0] == '\0') return;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unlinkat(start->instance.folder, names[i], 0);
  for (int i = 0; start->plan.session.socket != NULL && i < BUS_COUNT; i++) {
    unlinkat(start->instance.folder, session_files[i] + 1, 0);
  }
  unlinkat(start->instance.parent, start->instance.number, AT_REMOVEDIR);
}
