// SPDX-License-Identifier: Apache-2.0
#include "passed.h"

#include <errno.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fail.h"
#include "sys.h"

enum { VARIABLES_BYTES_MAX = 4 << 20 };

static const char open_hint[] = "Open the descriptor before the start, and give its number.";

int number_of(const char *word) {
  int number = 0;
  if (*word == '\0') return -1;
  for (; *word != '\0'; word++) {
    if (*word < '0' || *word > '9' || number > 10000000) return -1;
    number = number * 10 + (*word - '0');
  }
  return number;
}

const char *value_of(const char *word, const char *option) {
  size_t length = strlen(option);
  return word != NULL && strncmp(word, option, length) == 0 ? word + length : NULL;
}

void passed_none(struct start_passed *passed) {
  passed->count = 0;
  passed->environment = passed->told = -1;
}

static int open_number(const char *word, const char *value) {
  int fd = number_of(value);
  if (fd < 0 || fcntl(fd, F_GETFD) < 0) die(STEP_USAGE, -1, EBADF, word, open_hint);
  return fd;
}

static void forward(struct start_passed *passed, const char *word, int fd) {
  size_t at = passed->count;
  while (at > 0 && passed->fds[at - 1] >= fd) at--;
  if (at < passed->count && passed->fds[at] == fd) return;
  if (passed->count == PASSED_MAX) die(STEP_USAGE, -1, E2BIG, word, NULL);
  for (size_t i = passed->count; i > at; i--) passed->fds[i] = passed->fds[i - 1];
  passed->fds[at] = fd;
  passed->count++;
}

bool passed_take(struct start_passed *passed, const char *word) {
  const char *value;
  if ((value = value_of(word, "--forward-fd=")) != NULL) {
    int fd = open_number(word, value);
    // The first three go along anyway.
    if (fd > STDERR_FILENO) forward(passed, word, fd);
    return true;
  }
  if ((value = value_of(word, "--forward-env-fd=")) != NULL) {
    passed->environment = open_number(word, value);
    return true;
  }
  if ((value = value_of(word, "--instance-id-fd=")) != NULL) {
    passed->told = open_number(word, value);
    return true;
  }
  return false;
}

void passed_tell(const struct start_passed *passed, const char *number) {
  if (passed->told < 0) return;
  if (write(passed->told, number, strlen(number)) < 0) {
    die(STEP_INSTANCE, -1, errno, "(its id)", "Is the descriptor still open?");
  }
  close(passed->told);
}

static bool are_variables(const char *data, size_t length) {
  if (length > 0 && data[length - 1] != '\0') return false;
  for (const char *one = data; one < data + length; one += strlen(one) + 1) {
    const char *equals = strchr(one, '=');
    if (equals == NULL || equals == one) return false;
  }
  return true;
}

// The bytes are copied: who wrote them may still change them.
static const char *read_variables(int fd, size_t size) {
  void *buffer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer == MAP_FAILED) die(STEP_COMMAND, -1, errno, "the variables", NULL);
  for (size_t done = 0; done < size;) {
    ssize_t count = pread(fd, (char *)buffer + done, size - done, (off_t)done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) die(STEP_COMMAND, -1, count < 0 ? errno : EIO, "the variables", NULL);
    done += (size_t)count;
  }
  return buffer;
}

const char *passed_variables(const struct start_passed *passed, size_t *length) {
  struct stat status;
  *length = 0;
  if (passed->environment < 0) return NULL;
  if (fstat(passed->environment, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > VARIABLES_BYTES_MAX) {
    die(STEP_COMMAND, -1, EINVAL, "the variables", "They must be a file of at most 4 MiB.");
  }
  if (status.st_size == 0) return NULL;
  const char *data = read_variables(passed->environment, (size_t)status.st_size);
  if (!are_variables(data, (size_t)status.st_size)) {
    die(STEP_COMMAND, -1, EINVAL, "the variables", "Each must be NAME=VALUE, ended by NUL.");
  }
  *length = (size_t)status.st_size;
  return data;
}

void passed_close_others(const struct start_passed *passed) {
  unsigned next = STDERR_FILENO + 1;
  for (size_t i = 0; i <= passed->count; i++) {
    unsigned end = i < passed->count ? (unsigned)passed->fds[i] : ~0U;
    unsigned last = i < passed->count ? end - 1 : end;
    if (last >= next && end > next && sys_close_range(next, last, CLOSE_RANGE_CLOEXEC) != 0) {
      die(STEP_PROCESS, -1, errno, NULL, NULL);
    }
    next = end + 1;
  }
}
