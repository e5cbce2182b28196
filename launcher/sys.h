// SPDX-License-Identifier: Apache-2.0
// System calls and constants that older C libraries and kernel headers lack.
#pragma once

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef UMOUNT_NOFOLLOW
#define UMOUNT_NOFOLLOW 8
#endif
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x200
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

static inline int sys_openat2(int folder, const char *path, uint64_t flags, uint64_t resolve) {
  struct open_how how = {.flags = flags, .resolve = resolve};
  return (int)syscall(SYS_openat2, (long)folder, path, &how, sizeof how);
}

static inline int sys_open_tree(int folder, const char *path, unsigned flags) {
  return (int)syscall(SYS_open_tree, (long)folder, path, (long)flags);
}

static inline int sys_mount_setattr(int folder, const char *path, unsigned flags, struct mount_attr *attributes) {
  return (int)syscall(SYS_mount_setattr, (long)folder, path, (long)flags, attributes, sizeof *attributes);
}

static inline int sys_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags) {
  return (int)syscall(SYS_move_mount, (long)from, from_path, (long)to, to_path, (long)flags);
}

static inline int sys_fsopen(const char *type) { return (int)syscall(SYS_fsopen, type, (long)FSOPEN_CLOEXEC); }

static inline int sys_fsconfig(int context, unsigned command, const char *key, const char *value) {
  return (int)syscall(SYS_fsconfig, (long)context, (long)command, key, value, 0L);
}

static inline int sys_fsmount(int context, unsigned attributes) {
  return (int)syscall(SYS_fsmount, (long)context, (long)FSMOUNT_CLOEXEC, (long)attributes);
}

static inline int sys_pivot_root(const char *root, const char *old) {
  return (int)syscall(SYS_pivot_root, root, old);
}

static inline int sys_umount(const char *path, int flags) { return (int)syscall(SYS_umount2, path, (long)flags); }

static inline int sys_close_range(unsigned first, unsigned last, unsigned flags) {
  return (int)syscall(SYS_close_range, (long)first, (long)last, (long)flags);
}

// fork(2) with namespaces. The child goes on here with a copy of the memory.
static inline pid_t sys_clone(unsigned long flags) { return (pid_t)syscall(SYS_clone, flags, 0L, 0L, 0L, 0L); }

// The same in another control group, given by the descriptor of its folder.
static inline pid_t sys_clone_into(unsigned long flags, int group) {
  struct clone_args arguments = {
      .flags = flags | CLONE_INTO_CGROUP,
      .exit_signal = SIGCHLD,
      .cgroup = (unsigned long long)group,
  };
  return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

// For a process that soon closes everything at once, by exec or close_range: spares a system call for each descriptor,
// as long as there are few.
enum { FEW_DESCRIPTORS = 512 };
static inline void close_later(int fd) {
  if (fd >= FEW_DESCRIPTORS) close(fd);
}
