// SPDX-License-Identifier: Apache-2.0
// A folder that the user picked comes into a running sandbox. The order is the argument for why nothing else does:
// 1. A helper in namespaces of its own makes a detached copy of the folder's mount, without rights for devices and set-user-id
//    programs, and read-only where that is asked for, before anybody can see it. Only the path given is opened, and no
//    link on it is followed. Where a device is named, the folder that was opened must lie on it: another medium may have
//    come to the same place. What is read-only takes no mounts that the host makes below it later: those could be written to.
// 2. The caller enters the sandbox's own users and files, by the number of the namespace: a process of an app that may make
//    namespaces could have others, over which the app has power. The kernel lets the caller in, since they are its own; the
//    app has no rights in this namespace, and its filter refuses to mount.
// 3. The mount is put below a folder of the plan's own, found from the sandbox's root without links, which nobody in the
//    sandbox can write to: names there are made through a copy of its mount that only this process has. So an app decides
//    by nothing in its reach where a mount lands, and cannot move it from where it is taken away again.
// A folder that takes another's place covers it from below where the kernel can (Linux 6.5), so that the app always finds one.
#include "library.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fail.h"
#include "passed.h"
#include "run.h"
#include "sys.h"
#include "text.h"

#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x200
#endif

// linux/nsfs.h: the user namespace that owns another one.
enum { GET_USERNS = 0xb701 };

static const char usage[] = "dowel-library PID NAMESPACE NAME [ro|rw FOLDER [DEVICE]]";
static const char shelf[] = "/run/flatpak/library";
static const char gone_hint[] = "The sandbox has ended, belongs to somebody else, or was started by an older Dowel.";

struct wish {
  int pid;
  uint64_t namespace;
  const char *name;
  // Null where a folder is taken away.
  const char *folder;
  bool writable;
  bool has_device;
  uint64_t device;
};

static int open_folder(const char *path) {
  return sys_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

// In the helper, whose descriptors are the caller's: what it opens stays when it ends. Answers the number by its exit code.
static _Noreturn void copy_mount(const struct wish *wish) {
  struct stat status;
  int folder = open_folder(wish->folder);
  if (folder < 0 || fstat(folder, &status) != 0) {
    die(STEP_SOURCE, -1, errno, wish->folder, "It must be a folder, and no link may lie on the way.");
  }
  if (wish->has_device && status.st_dev != wish->device) die(STEP_SOURCE, -1, ENODEV, wish->folder, NULL);
  int tree = sys_open_tree(folder, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) die(STEP_SOURCE, -1, errno, wish->folder, NULL);
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
  if (!wish->writable) {
    attributes.attr_set |= MOUNT_ATTR_RDONLY;
    attributes.propagation = MS_PRIVATE;
  }
  if (sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes) != 0) {
    die(STEP_MOUNT, -1, errno, wish->folder, NULL);
  }
  _exit(tree);
}

static int mount_of(const struct wish *wish) {
  pid_t helper = sys_clone(CLONE_FILES | CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD);
  if (helper < 0) die(STEP_NAMESPACE, -1, errno, NULL, NULL);
  if (helper == 0) copy_mount(wish);
  int status;
  while (waitpid(helper, &status, 0) < 0) {
    if (errno != EINTR) die(STEP_PROCESS, -1, errno, NULL, NULL);
  }
  // What went wrong was said; descriptors begin behind the three that everybody has.
  if (!WIFEXITED(status) || WEXITSTATUS(status) <= STDERR_FILENO) _exit(EXIT_SETUP);
  return WEXITSTATUS(status);
}

// By descriptors that are held: the process may go to other namespaces meanwhile.
static void enter(const struct wish *wish) {
  char buffer[64];
  struct text path = TEXT(buffer);
  struct stat status;
  if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0) die(STEP_PRIVILEGES, -1, errno, NULL, NULL);
  text_add(&path, "/proc/");
  text_add_number(&path, wish->pid);
  text_add(&path, "/ns/mnt");
  int mounts = open(path.data, O_RDONLY | O_CLOEXEC);
  if (mounts < 0 || fstat(mounts, &status) != 0) die(STEP_ENTER, -1, errno, NULL, gone_hint);
  if (status.st_ino != wish->namespace) die(STEP_ENTER, -1, 0, "(it left its sandbox's own namespace)", gone_hint);
  int users = ioctl(mounts, GET_USERNS);
  if (users < 0 || syscall(SYS_setns, (long)users, (long)CLONE_NEWUSER) != 0 ||
      syscall(SYS_setns, (long)mounts, (long)CLONE_NEWNS) != 0) {
    die(STEP_ENTER, -1, errno, NULL, gone_hint);
  }
}

// A copy of the mount of names, which can be written to. Sandboxes of an older Dowel have none that cannot.
static int open_names(int place) {
  struct mount_attr attributes = {.attr_clr = MOUNT_ATTR_RDONLY};
  int names = sys_open_tree(place, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (names < 0 || sys_mount_setattr(names, "", AT_EMPTY_PATH, &attributes) != 0) {
    die(STEP_TARGET, -1, errno, shelf, NULL);
  }
  return names;
}

static void take_away(const char *name) {
  while (sys_umount(name, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) die(STEP_MOUNT, -1, errno, name, NULL);
}

static int open_target(int place, const char *name) {
  int target = sys_openat2(place, name, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (target < 0) die(STEP_TARGET, -1, errno, name, "Something else of that name lies there.");
  return target;
}

static int move_to(int tree, int target, unsigned how) {
  return sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | how);
}

static void put(int place, const char *name, int tree) {
  if (mkdirat(open_names(place), name, 0755) != 0 && errno != EEXIST) die(STEP_TARGET, -1, errno, name, NULL);
  if (move_to(tree, open_target(place, name), MOVE_MOUNT_BENEATH) == 0) {
    if (sys_umount(name, MNT_DETACH | UMOUNT_NOFOLLOW) != 0) die(STEP_MOUNT, -1, errno, name, NULL);
    return;
  }
  take_away(name);
  if (move_to(tree, open_target(place, name), 0) != 0) die(STEP_MOUNT, -1, errno, name, NULL);
}

// What the app holds open of the folder goes on; but folders that it holds give it nothing more to write to, unless it is
// writing just now.
static void remove_name(int place, const char *name) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
  int shown = sys_openat2(place, name, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (shown < 0 && errno == ENOENT) return;
  if (shown >= 0) sys_mount_setattr(shown, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes);
  take_away(name);
  if (unlinkat(open_names(place), name, AT_REMOVEDIR) != 0 && errno != ENOENT) die(STEP_TARGET, -1, errno, name, NULL);
}

static bool parse_number(const char *word, uint64_t *number) {
  *number = 0;
  if (word == NULL || *word == '\0') return false;
  for (; *word != '\0'; word++) {
    if (*word < '0' || *word > '9' || *number > UINT64_MAX / 100) return false;
    *number = *number * 10 + (uint64_t)(*word - '0');
  }
  return true;
}

static bool is_name(const char *name) { return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL; }

static bool parse(char **words, struct wish *wish) {
  int count = 0;
  while (words[count] != NULL) count++;
  if (count != 4 && count != 6 && count != 7) return false;
  wish->pid = number_of(words[1]);
  wish->name = words[3];
  if (wish->pid <= 0 || !parse_number(words[2], &wish->namespace) || !is_name(wish->name)) return false;
  if (count == 4) return true;
  wish->writable = strcmp(words[4], "rw") == 0;
  wish->folder = words[5];
  wish->has_device = count == 7;
  return (wish->writable || strcmp(words[4], "ro") == 0) && wish->folder[0] == '/' &&
         (!wish->has_device || parse_number(words[6], &wish->device));
}

_Noreturn void library_run(char **words) {
  struct wish wish = {0};
  if (!parse(words, &wish)) die(STEP_USAGE, -1, 0, NULL, usage);
  int tree = wish.folder == NULL ? -1 : mount_of(&wish);
  enter(&wish);
  int place = target_open(AT_FDCWD, shelf, O_PATH | O_DIRECTORY);
  if (place < 0 || fchdir(place) != 0) die(STEP_TARGET, -1, errno, shelf, gone_hint);
  if (tree >= 0) {
    put(place, wish.name, tree);
  } else {
    remove_name(place, wish.name);
  }
  _exit(0);
}
