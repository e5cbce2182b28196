// SPDX-License-Identifier: Apache-2.0
// Who the sandbox's processes are, and that they may do nothing beyond it.
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "fail.h"
#include "hints.h"
#include "run.h"
#include "sys.h"
#include "text.h"

static void write_map(const char *path, const char *content, size_t length) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, content, length) != (ssize_t)length) {
    die(STEP_IDENTITY, -1, errno, path, hint_for_namespaces(errno));
  }
  close_later(fd);
}

static void write_identity_map(const char *path, uint32_t id) {
  char buffer[32];
  struct text line = TEXT(buffer);
  text_add_number(&line, id);
  text_add(&line, " ");
  text_add_number(&line, id);
  text_add(&line, " 1\n");
  write_map(path, line.data, line.length);
}

// One user and one group, mapped to themselves; the kernel grants that to everybody once setgroups is off.
void identity_map(uid_t user, gid_t group) {
  write_identity_map("/proc/self/uid_map", user);
  write_map("/proc/self/setgroups", "deny", 4);
  write_identity_map("/proc/self/gid_map", group);
}

static void set_or_die(int option, unsigned long value, unsigned long second) {
  if (prctl(option, value, second, 0L, 0L) != 0) die(STEP_PRIVILEGES, -1, errno, NULL, NULL);
}

void identity_drop_capabilities(void) {
  set_or_die(PR_SET_NO_NEW_PRIVS, 1, 0);
  set_or_die(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0);
  // Kernels differ in how many there are; past the last one comes EINVAL.
  for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0L, 0L, 0L) == 0; capability++) {
  }
  // Being user 0 gives no capabilities back, not even at exec, and that cannot be changed again.
  set_or_die(PR_SET_SECUREBITS,
             SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                 SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
             0);
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {0};
  if (syscall(SYS_capset, &header, none) != 0) die(STEP_PRIVILEGES, -1, errno, NULL, NULL);
}

// Looks at the result instead of trusting the calls that should have led to it.
void identity_check(const struct plan *plan) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct held[2];
  static const struct __user_cap_data_struct none[2];
  if (syscall(SYS_capget, &header, held) != 0 || memcmp(held, none, sizeof none) != 0) {
    die(STEP_PRIVILEGES, -1, 0, "(capabilities are left)", NULL);
  }
  if (prctl(PR_CAPBSET_READ, (long)CAP_SYS_ADMIN, 0L, 0L, 0L) != 0) {
    die(STEP_PRIVILEGES, -1, 0, "(the bounding set is not empty)", NULL);
  }
  if (prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) != 1) {
    die(STEP_PRIVILEGES, -1, 0, "(no_new_privs is not set)", NULL);
  }
  // A user namespace that was joined may be one where the app may; this one has only its filter against it then.
  bool allowed = (plan->flags & PLAN_NESTED) != 0 || plan->joined;
  if (!allowed && unshare(CLONE_NEWUSER) == 0) die(STEP_PRIVILEGES, -1, 0, "(user namespaces can still be made)", NULL);
}
