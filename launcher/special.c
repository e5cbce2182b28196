// SPDX-License-Identifier: Apache-2.0
// /proc and /dev: file systems that consist of several mounts.
#include <errno.h>
#include <sys/stat.h>

#include "fail.h"
#include "run.h"
#include "sys.h"
#include "text.h"

int special_new_mount(const char *type, const char *const options[][2], unsigned attributes, int operation) {
  int context = sys_fsopen(type);
  if (context < 0) die(STEP_MOUNT, operation, errno, type, NULL);
  for (size_t i = 0; options[i][0] != NULL; i++) {
    if (sys_fsconfig(context, FSCONFIG_SET_STRING, options[i][0], options[i][1]) != 0) {
      die(STEP_MOUNT, operation, errno, type, NULL);
    }
  }
  int mount = -1;
  if (sys_fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL) == 0) mount = sys_fsmount(context, attributes);
  if (mount < 0) {
    die(STEP_MOUNT, operation, errno, type,
        errno == EPERM ? "Inside a container, parts of the host's /proc are covered, and the kernel then allows no other."
                       : NULL);
  }
  close_later(context);
  return mount;
}

static const char *const no_options[][2] = {{NULL, NULL}};

static int new_proc(int operation) {
  return special_new_mount("proc", no_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, operation);
}

static void attach(int mount, int point, const char *target, int operation) {
  if (sys_move_mount(mount, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    die(STEP_MOUNT, operation, errno, target, NULL);
  }
}

static void bound(int proc, const char *name, uint32_t count) {
  char path_buffer[64];
  char value_buffer[16];
  struct text path = TEXT(path_buffer);
  struct text value = TEXT(value_buffer);
  text_add(&path, "sys/user/max_");
  text_add(&path, name);
  text_add(&path, "_namespaces");
  text_add_number(&value, count);
  int fd = openat(proc, path.data, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, value.data, value.length) != (ssize_t)value.length) {
    die(STEP_PRIVILEGES, -1, errno, path.data, NULL);
  }
  close_later(fd);
}

void special_bound_namespaces(const struct plan *plan, int proc) {
  // They are bounded already, for both.
  if (plan->joined) return;
  // The kernel counts what namespaces below make against these, too, and only who has rights in this one can change
  // them: nobody, once the init has given them up.
  static const char *const names[] = {
      [BOUND_USER] = "user", [BOUND_PID] = "pid",     [BOUND_MOUNT] = "mnt",     [BOUND_IPC] = "ipc",
      [BOUND_UTS] = "uts",   [BOUND_NETWORK] = "net", [BOUND_CGROUP] = "cgroup", [BOUND_TIME] = "time",
  };
  int from = proc < 0 ? new_proc(-1) : proc;
  int kinds = (plan->flags & PLAN_NESTED) != 0 ? BOUND_COUNT : BOUND_USER + 1;
  for (int kind = 0; kind < kinds; kind++) bound(from, names[kind], plan->bounds[kind]);
  if (proc < 0) close_later(from);
}

// The files below belong to the host's root; in a sandbox that runs as root only a read-only mount protects them. In
// others they belong to nobody, since only the sandbox's own user is mapped, and it is enough to cover /proc/sys, where
// some files are open to all and ask for capabilities only when they are written.
static void cover(int proc, const char *name, int operation) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
  int tree = sys_open_tree(proc, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0 && errno == ENOENT) return;
  if (tree < 0 || sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attributes) != 0 ||
      sys_move_mount(tree, "", proc, name, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    die(STEP_MOUNT, operation, errno, name, NULL);
  }
  close_later(tree);
}

// A sandbox inside this one can only mount a /proc of its own where nothing of this one is covered. As root that would
// uncover the host's files, so there it cannot.
static size_t count_covered(const struct plan *plan, size_t all) {
  if (geteuid() == 0) return all;
  return (plan->flags & PLAN_NESTED) != 0 ? 0 : 1;
}

void special_mount_proc(const struct plan *plan, int point, const char *target, int operation) {
  static const char *const covered[] = {"sys", "sysrq-trigger", "irq", "bus", "acpi", "fs", "scsi", "mtrr"};
  int proc = new_proc(operation);
  special_bound_namespaces(plan, proc);
  attach(proc, point, target, operation);
  size_t count = count_covered(plan, sizeof covered / sizeof covered[0]);
  for (size_t i = 0; i < count; i++) cover(proc, covered[i], operation);
  close_later(proc);
}

// A device node cannot be made inside a user namespace, so the host's one is bound.
static void add_device(int dev, const char *name, const char *source, int operation) {
  int file = (int)syscall(SYS_mknodat, (long)dev, name, (long)(S_IFREG | 0444), 0L);
  int tree = file < 0 ? -1 : sys_open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0 || sys_move_mount(tree, "", dev, name, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    die(STEP_MOUNT, operation, errno, source, NULL);
  }
  close_later(tree);
}

static void add_links(int dev, int operation) {
  static const char *const links[][2] = {
      {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
      {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},      {"ptmx", "pts/ptmx"},
  };
  for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
    if (symlinkat(links[i][1], dev, links[i][0]) != 0) die(STEP_TARGET, operation, errno, links[i][0], NULL);
  }
}

static void add_terminals(int dev, int operation) {
  static const char *const options[][2] = {{"ptmxmode", "0666"}, {"mode", "0620"}, {NULL, NULL}};
  if (mkdirat(dev, "pts", 0755) != 0) die(STEP_TARGET, operation, errno, "pts", NULL);
  int pts = special_new_mount("devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, operation);
  if (sys_move_mount(pts, "", dev, "pts", MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    die(STEP_MOUNT, operation, errno, "pts", NULL);
  }
  close_later(pts);
}

// The caller's terminal is not among the new ones; a program that asks for its name finds it here. The descriptor
// belongs to the host's mounts, so the copy of them in this namespace is asked by path, and must have the same device.
static void add_console(int dev, int operation) {
  char path[PLAN_PATH_MAX + 1];
  ssize_t length = isatty(STDIN_FILENO) ? readlink("/proc/self/fd/0", path, PLAN_PATH_MAX) : -1;
  if (length <= 0) return;
  path[length] = '\0';
  struct stat terminal;
  struct stat found;
  if (fstat(STDIN_FILENO, &terminal) == 0 && stat(path, &found) == 0 && S_ISCHR(found.st_mode) &&
      found.st_rdev == terminal.st_rdev) {
    add_device(dev, "console", path, operation);
  }
}

void special_mount_dev(int point, const char *target, int operation) {
  static const char *const devices[][2] = {
      {"null", "/dev/null"},     {"zero", "/dev/zero"},       {"full", "/dev/full"},
      {"random", "/dev/random"}, {"urandom", "/dev/urandom"}, {"tty", "/dev/tty"},
  };
  static const char *const options[][2] = {{"mode", "0755"}, {NULL, NULL}};
  int dev = special_new_mount("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, operation);
  attach(dev, point, target, operation);
  for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
    add_device(dev, devices[i][0], devices[i][1], operation);
  }
  add_links(dev, operation);
  if (mkdirat(dev, "shm", 01777) != 0) die(STEP_TARGET, operation, errno, "shm", NULL);
  add_terminals(dev, operation);
  add_console(dev, operation);
  close_later(dev);
}
