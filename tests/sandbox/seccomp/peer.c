// SPDX-License-Identifier: Apache-2.0
// Writes the same filter as seccomp/filter.ts, made by libseccomp, to stdout: peer ARCH DEVEL MULTIARCH BLUETOOTH CANBUS.
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static scmp_filter_ctx filter;
static int failed;

static void rule(uint32_t action, const char *name, unsigned count, struct scmp_arg_cmp compare) {
  int number = seccomp_syscall_resolve_name(name);
  int result = seccomp_rule_add(filter, action, number, count, compare);
  if (result != 0 && result != -EFAULT) failed = 1;
}

static const struct scmp_arg_cmp always;

int main(int count, char **words) {
  static const char *const refused[] = {"syslog", "uselib", "acct", "quotactl", "add_key", "keyctl", "request_key",
                                        "move_pages", "mbind", "get_mempolicy", "set_mempolicy", "migrate_pages",
                                        "unshare", "setns", "mount", "umount", "umount2", "pivot_root", "chroot"};
  static const char *const unknown[] = {"clone3",   "open_tree", "move_mount", "fsopen",
                                        "fsconfig", "fsmount",   "fspick",     "mount_setattr"};
  static const unsigned families[] = {0, 1, 2, 10, 16, 29, 31};
  if (count != 6) return 2;
  int devel = words[2][0] == '1', multiarch = words[3][0] == '1', bluetooth = words[4][0] == '1', canbus = words[5][0] == '1';
  int arm = strcmp(words[1], "aarch64") == 0;
  filter = seccomp_init(SCMP_ACT_ALLOW);
  if (arm) {
    seccomp_arch_add(filter, SCMP_ARCH_AARCH64);
    seccomp_arch_remove(filter, SCMP_ARCH_X86_64);
  }
  if (multiarch) seccomp_arch_add(filter, arm ? SCMP_ARCH_ARM : SCMP_ARCH_X86);
  uint32_t eperm = SCMP_ACT_ERRNO(EPERM), enosys = SCMP_ACT_ERRNO(ENOSYS), family_error = SCMP_ACT_ERRNO(EAFNOSUPPORT);
  for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++) rule(eperm, refused[i], 0, always);
  for (unsigned i = 0; i < sizeof unknown / sizeof *unknown; i++) rule(enosys, unknown[i], 0, always);
  rule(eperm, "clone", 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
  rule(eperm, "ioctl", 1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, TIOCSTI));
  rule(eperm, "ioctl", 1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, TIOCLINUX));
  if (!multiarch) rule(eperm, "modify_ldt", 0, always);
  if (!devel) {
    rule(eperm, "perf_event_open", 0, always);
    rule(eperm, "ptrace", 0, always);
    rule(eperm, "personality", 1, SCMP_A0(SCMP_CMP_NE, 0));
  }
  unsigned next = 0;
  for (unsigned i = 0; i < sizeof families / sizeof *families; i++) {
    if ((families[i] == 29 && !canbus) || (families[i] == 31 && !bluetooth)) continue;
    for (; next < families[i]; next++) rule(family_error, "socket", 1, SCMP_A0(SCMP_CMP_EQ, next));
    next = families[i] + 1;
  }
  rule(family_error, "socket", 1, SCMP_A0(SCMP_CMP_GE, next));
  if (failed) return 1;
  return seccomp_export_bpf(filter, STDOUT_FILENO) == 0 ? 0 : 1;
}
