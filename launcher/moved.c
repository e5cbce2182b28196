// SPDX-License-Identifier: Apache-2.0
// What the user picked comes into a running sandbox. The order is the argument for why nothing else does:
// 1. A helper in namespaces of its own makes a detached copy of its mount, without rights for devices and set-user-id
//    programs, and read-only where that is asked for, before anybody can see it. Only the path given is opened, and no
//    link on it is followed. Where a device is named, what was opened must lie on it: another medium may have
//    come to the same place. What is read-only takes no mounts that the host makes below it later: those could be written to.
// 2. The caller enters the sandbox's own users and files, by the number of the namespace: a process of an app that may make
//    namespaces could have others, over which the app has power. The kernel lets the caller in, since they are its own; the
//    app has no rights in this namespace, and its filter refuses to mount.
// 3. The mount is put below a folder of the plan's own, found from the sandbox's root without links, which nobody in the
//    sandbox can write to: names there are made through a copy of its mount that only this process has. So an app decides
//    by nothing in its reach where a mount lands, and cannot move it from where it is taken away again.
#include "moved.h"

#include <errno.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fail.h"
#include "passed.h"
#include "run.h"
#include "sys.h"
#include "text.h"

// linux/nsfs.h: the user namespace that owns another one.
enum { GET_USERNS = 0xb701 };

static const char gone_hint[] = "The sandbox has ended, belongs to somebody else, or was started by an older Dowel.";
static const char type_hint[] = "It must be a folder, or a file where one can be, and no link may lie on the way.";

bool moved_parse_number(const char *word, uint64_t *number) {
  *number = 0;
  if (word == NULL || *word == '\0') return false;
  for (; *word != '\0'; word++) {
    if (*word < '0' || *word > '9' || *number > UINT64_MAX / 100) return false;
    *number = *number * 10 + (uint64_t)(*word - '0');
  }
  return true;
}

bool moved_parse_place(char **words, struct moved_place *place) {
  place->pid = number_of(words[1]);
  return place->pid > 0 && moved_parse_number(words[2], &place->namespace);
}

struct source {
  const char *path;
  mode_t type;
  bool writable;
  const uint64_t *device;
};

static int open_source(const struct source *wanted) {
  struct stat status;
  int source = sys_openat2(AT_FDCWD, wanted->path, O_PATH | O_CLOEXEC, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
  if (source < 0 || fstat(source, &status) != 0) die(STEP_SOURCE, -1, errno, wanted->path, type_hint);
  mode_t type = status.st_mode & S_IFMT;
  bool fits = wanted->type == 0 ? type == S_IFDIR || type == S_IFREG : type == wanted->type;
  if (!fits) die(STEP_SOURCE, -1, wanted->type == S_IFDIR ? ENOTDIR : EINVAL, wanted->path, type_hint);
  if (wanted->device != NULL && status.st_dev != *wanted->device) die(STEP_SOURCE, -1, ENODEV, wanted->path, NULL);
  return source;
}

// In the helper, whose descriptors are the caller's: what it opens stays when it ends. Answers the number by its exit code.
static _Noreturn void copy_mount(const struct source *wanted) {
  int source = open_source(wanted);
  int tree = sys_open_tree(source, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) die(STEP_SOURCE, -1, errno, wanted->path, NULL);
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
  if (!wanted->writable) {
    attributes.attr_set |= MOUNT_ATTR_RDONLY;
    attributes.propagation = MS_PRIVATE;
  }
  if (sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes) != 0) {
    die(STEP_MOUNT, -1, errno, wanted->path, NULL);
  }
  _exit(tree);
}

int moved_copy(const char *path, mode_t type, bool writable, const uint64_t *device) {
  struct source wanted = {path, type, writable, device};
  pid_t helper = sys_clone(CLONE_FILES | CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD);
  if (helper < 0) die(STEP_NAMESPACE, -1, errno, NULL, NULL);
  if (helper == 0) copy_mount(&wanted);
  int status;
  while (waitpid(helper, &status, 0) < 0) {
    if (errno != EINTR) die(STEP_PROCESS, -1, errno, NULL, NULL);
  }
  // What went wrong was said; descriptors begin behind the three that everybody has.
  if (!WIFEXITED(status) || WEXITSTATUS(status) <= STDERR_FILENO) _exit(EXIT_SETUP);
  return WEXITSTATUS(status);
}

// By descriptors that are held: the process may go to other namespaces meanwhile.
static void enter(const struct moved_place *place) {
  char buffer[64];
  struct text path = TEXT(buffer);
  struct stat status;
  if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0) die(STEP_PRIVILEGES, -1, errno, NULL, NULL);
  text_add(&path, "/proc/");
  text_add_number(&path, place->pid);
  text_add(&path, "/ns/mnt");
  int mounts = open(path.data, O_RDONLY | O_CLOEXEC);
  if (mounts < 0 || fstat(mounts, &status) != 0) die(STEP_ENTER, -1, errno, NULL, gone_hint);
  if (status.st_ino != place->namespace) die(STEP_ENTER, -1, 0, "(it left its sandbox's own namespace)", gone_hint);
  int users = ioctl(mounts, GET_USERNS);
  if (users < 0 || syscall(SYS_setns, (long)users, (long)CLONE_NEWUSER) != 0 ||
      syscall(SYS_setns, (long)mounts, (long)CLONE_NEWNS) != 0) {
    die(STEP_ENTER, -1, errno, NULL, gone_hint);
  }
}

int moved_enter(const struct moved_place *place, const char *shelf) {
  enter(place);
  int folder = target_open(AT_FDCWD, shelf, O_PATH | O_DIRECTORY);
  if (folder < 0 && errno == ENOENT) return -1;
  if (folder < 0 || fchdir(folder) != 0) die(STEP_TARGET, -1, errno, shelf, gone_hint);
  return folder;
}

// A copy of the mount of names, which can be written to. Sandboxes of an older Dowel have none that cannot.
int moved_names(int place) {
  struct mount_attr attributes = {.attr_clr = MOUNT_ATTR_RDONLY};
  int names = sys_open_tree(place, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (names < 0 || sys_mount_setattr(names, "", AT_EMPTY_PATH, &attributes) != 0) {
    die(STEP_TARGET, -1, errno, NULL, NULL);
  }
  return names;
}

void moved_take_away(const char *name) {
  while (sys_umount(name, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) die(STEP_MOUNT, -1, errno, name, NULL);
}

int moved_attach(int tree, int target, unsigned how) {
  return sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | how);
}
