// SPDX-License-Identifier: Apache-2.0
// The sandbox's root: one overlay of the plan's lower folders. Without an upper folder it cannot be written.
#include <errno.h>
#include <sys/stat.h>

#include "fail.h"
#include "run.h"
#include "sys.h"
#include "text.h"

// A parameter of a mount holds at most 255 bytes, so folders are named by descriptor, relative to this one. The
// sandbox's mount table then shows no path of the host either.
static const char descriptors[] = "/proc/self/fd";

static void open_lowers(const struct plan *plan, struct text *option) {
  for (uint32_t i = 0; i < plan->lowers.count; i++) {
    const char *path = plan_word(plan, plan->lowers, i);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) die(STEP_LOWER, -1, errno, path, "The app or its runtime is gone from the store; install it again.");
    if (i > 0) text_add(option, ":");
    text_add_number(option, fd);
  }
}

static const char *overlay_hint(int error) {
  if (error == ENODEV) return "The kernel has no overlay file system; load the module `overlay`.";
  if (error == EPERM || error == EACCES) {
    return "Overlays inside user namespaces need Linux 5.11, and AppArmor or SELinux may forbid them.";
  }
  if (error == EINVAL) {
    return "A folder of the root must have no mounts below it and lie on a file system that overlays can use; see dmesg.";
  }
  return NULL;
}

int root_mount(const struct plan *plan) {
  char buffer[256];
  struct text lowers = TEXT(buffer);
  open_lowers(plan, &lowers);
  if (chdir(descriptors) != 0) die(STEP_ROOT, -1, errno, descriptors, "Dowel needs /proc to be mounted.");
  int context = sys_fsopen("overlay");
  if (context < 0 || sys_fsconfig(context, FSCONFIG_SET_FLAG, "userxattr", NULL) != 0 ||
      sys_fsconfig(context, FSCONFIG_SET_STRING, "lowerdir", lowers.data) != 0 ||
      sys_fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL) != 0) {
    die(STEP_ROOT, -1, errno, NULL, overlay_hint(errno));
  }
  int root = sys_fsmount(context, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (root < 0) die(STEP_ROOT, -1, errno, NULL, overlay_hint(errno));
  close_later(context);
  // Over `/`, where a place always exists. This process still has the host's root below it, until the pivot.
  if (sys_move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) != 0) die(STEP_ROOT, -1, errno, NULL, NULL);
  return root;
}

void root_enter(int root) {
  // The old root comes to lie on the new one, and is then on top of `.`.
  if (fchdir(root) != 0 || sys_pivot_root(".", ".") != 0 || sys_umount(".", MNT_DETACH) != 0 || chdir("/") != 0) {
    die(STEP_PIVOT, -1, errno, NULL, NULL);
  }
  struct stat expected;
  struct stat actual;
  if (fstat(root, &expected) != 0 || stat("/", &actual) != 0 || expected.st_dev != actual.st_dev ||
      expected.st_ino != actual.st_ino) {
    die(STEP_PIVOT, -1, 0, "(the root is not the new one)", NULL);
  }
  close_later(root);
}
