// SPDX-License-Identifier: Apache-2.0
// What to do where the kernel gives no namespaces: asked of its settings, since the errno alone does not tell.
#include "hints.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

static bool setting_is(const char *path, char value) {
  char first = '\0';
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool equal = pread(fd, &first, 1, 0) == 1 && first == value;
  close(fd);
  return equal;
}

static const char *forbidden_hint(void) {
  if (setting_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1')) {
    return "AppArmor allows user namespaces only to programs with a profile. As root, install a profile with `userns,` "
           "for this program, or run: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
  }
  if (setting_is("/proc/sys/kernel/unprivileged_userns_clone", '0')) {
    return "User namespaces are switched off. As root, run: sysctl -w kernel.unprivileged_userns_clone=1";
  }
  return "The kernel's policy (AppArmor, SELinux, or the seccomp filter of a container) forbids user namespaces for this "
         "program.";
}

const char *hint_for_namespaces(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return forbidden_hint();
    case ENOSPC:
    case EUSERS:
      if (setting_is("/proc/sys/user/max_user_namespaces", '0')) {
        return "User namespaces are switched off. As root, run: sysctl -w user.max_user_namespaces=15000";
      }
      return "There are no namespaces left. End some sandboxes, or raise user.max_user_namespaces, "
             "user.max_mnt_namespaces, user.max_pid_namespaces or user.max_net_namespaces with sysctl.";
    case EAGAIN:
      return "There are too many processes: see `ulimit -u` and the limits of the session (TasksMax).";
    case EINVAL:
      return "The kernel was built without one of the user, mount, pid, uts, cgroup, ipc or net namespaces.";
    default:
      return NULL;
  }
}

const char *hint_for_descriptors(int error) {
  return error == EMFILE || error == ENFILE ? "There are too many open files: raise the limit with `ulimit -n`." : NULL;
}
