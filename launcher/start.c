// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"

static ssize_t read_all(int fd, uint8_t *buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t count = pread(fd, buffer + done, size - done, (off_t)done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    done += (size_t)count;
  }
  return (ssize_t)done;
}

// The bytes are copied, so that nobody can change them between the check and the use.
enum plan_reading plan_read(int fd, struct start *start, struct plan_error *error) {
  struct stat status;
  *error = (struct plan_error){.reason = "the length is wrong", .index = -1};
  int result = fstat(fd, &status);
  if (result != 0 || !S_ISREG(status.st_mode)) {
    close(fd);
    return PLAN_UNREADABLE;
  }
  if (status.st_size <= 0 || status.st_size > PLAN_BYTES_MAX) {
    close(fd);
    return PLAN_REFUSED;
  }
  size_t size = (size_t)status.st_size;
  void *buffer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer == MAP_FAILED) {
    close(fd);
    return PLAN_UNREADABLE;
  }
  ssize_t count = read_all(fd, buffer, size);
  close(fd);
  start->buffer = buffer;
  if (count == (ssize_t)size && plan_parse(buffer, size, &start->plan, error) == 0) return PLAN_OK;
  munmap(buffer, size);
  return count < 0 ? PLAN_UNREADABLE : PLAN_REFUSED;
}

void plan_forget(struct start *start) { munmap(start->buffer, start->plan.length); }
