// SPDX-License-Identifier: Apache-2.0
// The host's side of each bind, taken as a detached copy of the mount with its final flags.
#include <errno.h>
#include <string.h>

#include "fail.h"
#include "hints.h"
#include "run.h"
#include "sys.h"
#include "text.h"

static bool is_missing(int error) { return error == ENOENT || error == ENOTDIR; }

static const char *source_hint(int error, bool no_symlinks) {
  if (error == ELOOP && no_symlinks) {
    return "The path goes through a symbolic link, which the app could have put there; replace it by a folder.";
  }
  if (error == EINVAL) return "A folder with locked mounts below it can only be shared together with them.";
  return hint_for_descriptors(error);
}

// -1 with errno where it cannot be opened.
static int open_tree_of(const char *path, uint32_t flags) {
  unsigned clone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  if ((flags & BIND_RECURSIVE) != 0) clone |= AT_RECURSIVE;
  if ((flags & BIND_NO_SYMLINKS) == 0) return sys_open_tree(AT_FDCWD, path, clone);
  int fd = sys_openat2(AT_FDCWD, path, O_PATH | O_CLOEXEC, RESOLVE_NO_SYMLINKS);
  if (fd < 0) return -1;
  int tree = sys_open_tree(fd, "", clone | AT_EMPTY_PATH);
  int error = errno;
  close_later(fd);
  errno = error;
  return tree;
}

// A read-only bind must not receive mounts that the host makes below it later: those would be writable.
static int restrict_tree(int tree, uint32_t flags) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID};
  if ((flags & BIND_DEVICES) == 0) attributes.attr_set |= MOUNT_ATTR_NODEV;
  if ((flags & BIND_READ_ONLY) != 0) {
    attributes.attr_set |= MOUNT_ATTR_RDONLY;
    attributes.propagation = MS_PRIVATE;
  }
  return sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes);
}

static int open_at(const struct mount_operation *bind, uint32_t index, const char *path) {
  int tree = open_tree_of(path, bind->flags);
  if (tree < 0) {
    if ((bind->flags & BIND_OPTIONAL) != 0 && is_missing(errno)) return -1;
    die(STEP_SOURCE, (int)index, errno, path, source_hint(errno, (bind->flags & BIND_NO_SYMLINKS) != 0));
  }
  if (restrict_tree(tree, bind->flags) != 0) die(STEP_SOURCE, (int)index, errno, path, NULL);
  return tree;
}

// The instance's folder, or a file in it. Named by path: a descriptor that the monitor opened belongs to mounts of
// another namespace.
static int open_instance(const struct start *start, uint32_t index, const struct mount_operation *how, const char *name) {
  char buffer[PLAN_PATH_MAX + 32];
  struct text path = TEXT(buffer);
  text_add(&path, start->plan.instance.folder);
  text_add(&path, "/");
  text_add(&path, start->instance.number);
  text_add(&path, name);
  return open_at(how, index, path.data);
}

static int open_wayland(const struct start *start, uint32_t index) {
  const struct mount_operation *one = &start->plan.mounts[index];
  switch (start->wayland.state) {
    case WAYLAND_PLAIN:
      break;
    case WAYLAND_CONTEXT:
      return open_instance(start, index, one, "/wayland");
    case WAYLAND_NONE:
      return -1;
  }
  return open_at(one, index, plan_string(&start->plan, one->source));
}

static int open_source(const struct start *start, uint32_t index) {
  static const struct mount_operation read_only = {.flags = BIND_READ_ONLY};
  const struct mount_operation *one = &start->plan.mounts[index];
  if (one->kind == MOUNT_INSTANCE) return open_instance(start, index, &read_only, "");
  if (one->kind == MOUNT_INFO) return open_instance(start, index, &read_only, "/info");
  if (one->kind == MOUNT_BUS) return open_instance(start, index, &read_only, session_files[one->data]);
  if ((one->flags & BIND_WAYLAND) != 0) return open_wayland(start, index);
  return open_at(one, index, plan_string(&start->plan, one->source));
}

void sources_open(const struct start *start, struct sources *sources) {
  const struct plan *plan = &start->plan;
  for (uint32_t i = 0; i < plan->mount_count; i++) {
    uint32_t kind = plan->mounts[i].kind;
    if (kind == MOUNT_BIND || kind == MOUNT_INSTANCE || kind == MOUNT_INFO || kind == MOUNT_BUS) {
      sources->fds[i] = open_source(start, i);
    }
  }
}
