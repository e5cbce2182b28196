// SPDX-License-Identifier: Apache-2.0
// Landlock as a second wall behind the mounts: what the plan's rules do not give is denied by the kernel's own check of
// rights, too. What an older kernel does not know is left out.
#include <errno.h>
#include <stdint.h>

#include "run.h"
#include "sys.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

// As in linux/landlock.h, which may be older than the kernel.
enum {
  CREATE_RULESET_VERSION = 1,
  RULE_PATH_BENEATH = 1,
  RIGHTS_OF_FIRST = (1 << 13) - 1,
  RIGHT_REFER = 1 << 13,
  RIGHT_TRUNCATE = 1 << 14,
  RIGHT_IOCTL_DEVICE = 1 << 15,
  // Execute, write, read, truncate, ioctl: what can be given for a file that is no folder.
  RIGHTS_OF_FILES = 1 | 2 | 4 | RIGHT_TRUNCATE | RIGHT_IOCTL_DEVICE,
};

struct ruleset_attributes {
  uint64_t files;
  uint64_t network;
  uint64_t scopes;
};

struct path_beneath {
  uint64_t access;
  int32_t folder;
} __attribute__((packed));

// The first version denies every move to another folder, so files are left to the mounts there.
static uint64_t known_rights(long version) {
  uint64_t rights = version < 2 ? 0 : RIGHTS_OF_FIRST | RIGHT_REFER;
  if (version >= 3) rights |= RIGHT_TRUNCATE;
  if (version >= 5) rights |= RIGHT_IOCTL_DEVICE;
  return rights;
}

static bool give(int ruleset, int fd, uint64_t access) {
  struct path_beneath rule = {.access = access, .folder = fd};
  return access == 0 || syscall(SYS_landlock_add_rule, (long)ruleset, (long)RULE_PATH_BENEATH, &rule, 0L) == 0;
}

static void add_rule(int ruleset, const char *path, uint64_t access) {
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0 && (errno == ENOENT || errno == EACCES || errno == ENOTDIR)) return;
  bool given = fd >= 0 && (give(ruleset, fd, access) || (errno == EINVAL && give(ruleset, fd, access & RIGHTS_OF_FILES)));
  if (!given) die(STEP_LANDLOCK, -1, errno, path, NULL);
  close_later(fd);
}

// The caller's own files and terminal are open already; programs open them once more by /dev/stdout and its like.
// Pipes and sockets take no rule, and need none.
static void give_standard_files(int ruleset, uint64_t handled) {
  for (int fd = 0; fd < 3; fd++) give(ruleset, fd, handled & RIGHTS_OF_FILES);
}

void landlock_restrict(const struct plan *plan) {
  if (plan->handled == 0 && plan->scopes == 0) return;
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0L, (long)CREATE_RULESET_VERSION);
  if (version < 1) return;
  struct ruleset_attributes attributes = {
      .files = plan->handled & known_rights(version),
      .scopes = version < 6 ? 0 : plan->scopes,
  };
  if (attributes.files == 0 && attributes.scopes == 0) return;
  size_t size = version < 6 ? sizeof attributes.files : sizeof attributes;
  int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0L);
  if (ruleset < 0) die(STEP_LANDLOCK, -1, errno, NULL, NULL);
  for (uint32_t i = 0; attributes.files != 0 && i < plan->rule_count; i++) {
    const struct landlock_rule *rule = &plan->rules[i];
    add_rule(ruleset, plan_string(plan, rule->path), rule->access & attributes.files);
  }
  if (attributes.files != 0) give_standard_files(ruleset, attributes.files);
  if (syscall(SYS_landlock_restrict_self, (long)ruleset, 0L) != 0) die(STEP_LANDLOCK, -1, errno, NULL, NULL);
  close_later(ruleset);
}
