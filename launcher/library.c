// SPDX-License-Identifier: Apache-2.0
// A folder that the user picked comes into a running sandbox. The order is the argument for why nothing else does:
// 1. A helper in namespaces of its own makes a detached copy of the folder's mount, without rights for devices and set-user-id
//    programs, and read-only where that is asked for, before anybody can see it. Only the path given is opened, and no
//    link on it is followed.
// 2. The caller enters the sandbox's users and files. The kernel lets it, since they are its own; the app cannot: it has no
//    rights in its namespace, and its filter refuses to mount.
// 3. The mount is put below a folder of the plan's own, found from the sandbox's root without links, so an app decides by
//    nothing in its reach where it lands. The mounts there do not spread: the root was made for the sandbox alone.
#include "library.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fail.h"
#include "passed.h"
#include "run.h"
#include "sys.h"

static const char usage[] = "dowel-library PID NAME [ro|rw FOLDER]";
static const char shelf[] = "/run/flatpak/library";
static const char gone_hint[] = "The sandbox has ended, belongs to somebody else, or was started by an older Dowel.";

static int open_folder(const char *path) {
  return sys_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

// In the helper, whose descriptors are the caller's: what it opens stays when it ends. Answers the number by its exit code.
static _Noreturn void copy_mount(const char *path, bool writable) {
  int folder = open_folder(path);
  if (folder < 0) die(STEP_SOURCE, -1, errno, path, "It must be a folder, and no link may lie on the way.");
  int tree = sys_open_tree(folder, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) die(STEP_SOURCE, -1, errno, path, NULL);
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
  if (!writable) attributes.attr_set |= MOUNT_ATTR_RDONLY;
  if (sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes) != 0) die(STEP_MOUNT, -1, errno, path, NULL);
  _exit(tree);
}

static int mount_of(const char *path, bool writable) {
  pid_t helper = sys_clone(CLONE_FILES | CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD);
  if (helper < 0) die(STEP_NAMESPACE, -1, errno, NULL, NULL);
  if (helper == 0) copy_mount(path, writable);
  int status;
  while (waitpid(helper, &status, 0) < 0) {
    if (errno != EINTR) die(STEP_PROCESS, -1, errno, NULL, NULL);
  }
  // What went wrong was said; descriptors begin behind the three that everybody has.
  if (!WIFEXITED(status) || WEXITSTATUS(status) <= STDERR_FILENO) _exit(EXIT_SETUP);
  return WEXITSTATUS(status);
}

static void enter(int pid) {
  if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0) die(STEP_PRIVILEGES, -1, errno, NULL, NULL);
  int process = (int)syscall(SYS_pidfd_open, (long)pid, 0L);
  if (process < 0 || syscall(SYS_setns, (long)process, (long)(CLONE_NEWUSER | CLONE_NEWNS)) != 0) {
    die(STEP_ENTER, -1, errno, NULL, gone_hint);
  }
}

static void take_away(const char *name) {
  while (sys_umount(name, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) die(STEP_MOUNT, -1, errno, name, NULL);
}

static void put(int place, const char *name, int tree) {
  if (mkdirat(place, name, 0755) != 0 && errno != EEXIST) die(STEP_TARGET, -1, errno, name, NULL);
  int target = sys_openat2(place, name, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (target < 0) die(STEP_TARGET, -1, errno, name, "Something else of that name lies there; the app could have made it.");
  if (sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    die(STEP_MOUNT, -1, errno, name, NULL);
  }
}

_Noreturn void library_run(char **words) {
  const char *name = words[1] == NULL ? NULL : words[2];
  const char *access = name == NULL ? NULL : words[3];
  int pid = name == NULL ? -1 : number_of(words[1]);
  bool writable = access != NULL && strcmp(access, "rw") == 0;
  if (pid <= 0 || name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL ||
      (access != NULL && ((!writable && strcmp(access, "ro") != 0) || words[4] == NULL || words[4][0] != '/'))) {
    die(STEP_USAGE, -1, 0, NULL, usage);
  }
  int tree = access == NULL ? -1 : mount_of(words[4], writable);
  enter(pid);
  int place = target_open(AT_FDCWD, shelf, O_PATH | O_DIRECTORY);
  if (place < 0 || fchdir(place) != 0) die(STEP_TARGET, -1, errno, shelf, gone_hint);
  take_away(name);
  if (tree >= 0) {
    put(place, name, tree);
  } else {
    unlinkat(place, name, AT_REMOVEDIR);
  }
  _exit(0);
}
