// SPDX-License-Identifier: Apache-2.0
// The plan's operations, one after the other, on the new root.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fail.h"
#include "run.h"
#include "sys.h"
#include "text.h"
#include "trace.h"

struct work {
  const struct start *start;
  const struct plan *plan;
  const struct sources *sources;
  int root;
  uint32_t index;
  const struct mount_operation *one;
  const char *target;
};

static _Noreturn void fail(const struct work *work, enum step step, const char *hint) {
  die(step, (int)work->index, errno, work->target, hint);
}

static const char *target_hint(int error) {
  if (error == ELOOP) return "A symbolic link lies on the way to the mount point.";
  if (error == ENOENT || error == EROFS) return "The root of the sandbox has no such path to mount on.";
  return NULL;
}

static int open_parent(const struct work *work, const char **name) {
  int parent = target_open_parent(work->root, work->target, name);
  if (parent < 0) fail(work, STEP_TARGET, target_hint(errno));
  return parent;
}

static void make_directory(const struct work *work, mode_t mode) {
  const char *name;
  int parent = open_parent(work, &name);
  if (mkdirat(parent, name, mode) != 0 && errno != EEXIST) fail(work, STEP_TARGET, target_hint(errno));
  close_later(parent);
}

static int create_file(const struct work *work, mode_t mode) {
  const char *name;
  int parent = open_parent(work, &name);
  int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) fail(work, STEP_TARGET, target_hint(errno));
  close_later(parent);
  return fd;
}

static void make_file(const struct work *work) {
  int fd = create_file(work, (mode_t)work->one->mode);
  const char *data = work->plan->base + work->one->data;
  size_t left = work->one->data_length;
  while (left > 0) {
    ssize_t count = write(fd, data, left);
    if (count < 0) fail(work, STEP_TARGET, NULL);
    data += count;
    left -= (size_t)count;
  }
  // At once: a mount with a file open for writing cannot be sealed.
  close(fd);
}

static void make_symlink(const struct work *work) {
  const char *name;
  int parent = open_parent(work, &name);
  if (symlinkat(plan_string(work->plan, work->one->source), parent, name) != 0) fail(work, STEP_TARGET, NULL);
  close_later(parent);
}

// A mount point that the plan's own tmpfs lacks is made, of the kind of what comes to lie on it: a folder for -1.
static int open_mount_point(const struct work *work, int mount) {
  int target = target_open(work->root, work->target, O_PATH);
  if (target < 0 && errno == ENOENT && plan_can_create(work->plan, work->index, work->target)) {
    struct stat status;
    if (mount < 0 || (fstat(mount, &status) == 0 && S_ISDIR(status.st_mode))) {
      make_directory(work, 0755);
    } else {
      close(create_file(work, 0444));
    }
    target = target_open(work->root, work->target, O_PATH);
  }
  if (target < 0) fail(work, STEP_TARGET, target_hint(errno));
  return target;
}

static void attach(const struct work *work, int mount) {
  int target = open_mount_point(work, mount);
  if (sys_move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    fail(work, STEP_MOUNT, errno == ENOTDIR ? "A folder can only be mounted on a folder, a file on a file." : NULL);
  }
  close_later(target);
}

static void bind(const struct work *work) {
  int source = work->sources->fds[work->index];
  if (source >= 0) attach(work, source);
}

static void add_octal(struct text *text, uint32_t mode) {
  const char digits[] = {(char)('0' + (mode >> 9 & 7)), (char)('0' + (mode >> 6 & 7)), (char)('0' + (mode >> 3 & 7)),
                         (char)('0' + (mode & 7)), '\0'};
  text_add(text, digits);
}

static void mount_tmpfs(const struct work *work) {
  char mode_buffer[8];
  char size_buffer[24];
  struct text mode = TEXT(mode_buffer);
  struct text size = TEXT(size_buffer);
  add_octal(&mode, work->one->mode);
  text_add_number(&size, (int64_t)work->one->size);
  const char *const options[][2] = {
        {"mode", mode.data}, {work->one->size == 0 ? NULL : "size", size.data}, {NULL, NULL}};
  int mount = special_new_mount("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, (int)work->index);
  attach(work, mount);
  close_later(mount);
}

static void mount_special(const struct work *work) {
  int point = open_mount_point(work, -1);
  if (work->one->kind == MOUNT_PROC) {
    special_mount_proc(work->plan, point, work->target, (int)work->index);
  } else {
    special_mount_dev(point, work->target, (int)work->index);
  }
  close_later(point);
}

static void seal(const struct work *work) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
  int target = target_open(work->root, work->target, O_PATH);
  if (target < 0) fail(work, STEP_TARGET, target_hint(errno));
  if (sys_mount_setattr(target, "", AT_EMPTY_PATH, &attributes) != 0) fail(work, STEP_MOUNT, NULL);
  close_later(target);
}

// The folder of the instance comes to lie below its number.
static void show_instance(const struct work *work) {
  char buffer[PLAN_PATH_MAX + 32];
  struct text path = TEXT(buffer);
  text_add(&path, work->target);
  text_add(&path, "/");
  text_add(&path, work->start->instance.number);
  struct work below = *work;
  below.target = path.data;
  make_directory(&below, 0755);
  bind(&below);
}

static void apply(const struct work *work) {
  switch ((enum mount_kind)work->one->kind) {
    case MOUNT_BIND:
    case MOUNT_INFO:
    case MOUNT_BUS:
      return bind(work);
    case MOUNT_INSTANCE:
      return show_instance(work);
    case MOUNT_TMPFS:
      return mount_tmpfs(work);
    case MOUNT_PROC:
    case MOUNT_DEV:
      return mount_special(work);
    case MOUNT_DIRECTORY:
      return make_directory(work, (mode_t)work->one->mode);
    case MOUNT_SYMLINK:
      return make_symlink(work);
    case MOUNT_FILE:
      return make_file(work);
    case MOUNT_SEAL:
      return seal(work);
  }
}

void mounts_apply(const struct start *start, const struct sources *sources, int root) {
  const struct plan *plan = &start->plan;
  bool has_proc = false;
  for (uint32_t i = 0; i < plan->mount_count; i++) {
    const struct mount_operation *one = &plan->mounts[i];
    struct work work = {start, plan, sources, root, i, one, plan_string(plan, one->target)};
    apply(&work);
    trace_mark("mount", work.target);
    has_proc |= one->kind == MOUNT_PROC;
  }
  if (!has_proc) special_bound_namespaces(plan, -1);
}
