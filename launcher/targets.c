// SPDX-License-Identifier: Apache-2.0
// Paths below the new root. A symbolic link on the way is an error, so an app cannot move a mount elsewhere.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "run.h"
#include "sys.h"

int target_open(int root, const char *path, uint64_t flags) {
  return sys_openat2(root, path, flags | O_CLOEXEC, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

// Makes every folder of `path` that is missing. Existing ones are left as they are.
static int make_folders(int root, const char *path) {
  char part[PLAN_PATH_MAX + 1];
  for (const char *end = path + 1; *end != '\0'; end++) {
    end += strcspn(end, "/");
    size_t length = (size_t)(end - path);
    memcpy(part, path, length);
    part[length] = '\0';
    const char *name;
    int parent = target_open_parent(root, part, &name);
    if (parent < 0) return -1;
    int result = mkdirat(parent, name, 0755);
    int error = errno;
    close_later(parent);
    if (result != 0 && error != EEXIST) {
      errno = error;
      return -1;
    }
    if (*end == '\0') break;
  }
  return 0;
}

int target_open_parent(int root, const char *path, const char **name) {
  char parent[PLAN_PATH_MAX + 1];
  const char *slash = strrchr(path, '/');
  *name = slash + 1;
  if (slash == path) return target_open(root, "/", O_PATH | O_DIRECTORY);
  memcpy(parent, path, (size_t)(slash - path));
  parent[slash - path] = '\0';
  int fd = target_open(root, parent, O_PATH | O_DIRECTORY);
  if (fd >= 0 || errno != ENOENT) return fd;
  if (make_folders(root, parent) != 0) return -1;
  return target_open(root, parent, O_PATH | O_DIRECTORY);
}
