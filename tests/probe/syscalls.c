// SPDX-License-Identifier: Apache-2.0
// Each attempt has arguments with which the call fails or does nothing even where it is allowed, so the probe may run
// on the host too. Those that would change this process run in a child.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

struct attempt {
  const char *name;
  long number;
  long arguments[6];
};

// A descriptor and an address that are never valid.
enum { BAD_FD = -1 };
#define BAD_POINTER 1L

static const char missing[] = "/.probe-missing";
static const uint64_t clone3_arguments[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};

static const struct attempt attempts[] = {
    {"unshare_user", SYS_unshare, {CLONE_NEWUSER}},
    {"unshare_mount", SYS_unshare, {CLONE_NEWNS}},
    {"setns", SYS_setns, {BAD_FD}},
    {"mount", SYS_mount, {BAD_POINTER, BAD_POINTER, BAD_POINTER, 0, 0}},
    {"umount2", SYS_umount2, {(long)missing, 0}},
    {"pivot_root", SYS_pivot_root, {(long)missing, (long)missing}},
    {"chroot", SYS_chroot, {(long)missing}},
    {"keyctl", SYS_keyctl, {-1}},
    {"add_key", SYS_add_key, {BAD_POINTER, BAD_POINTER, 0, 0, 0}},
    {"request_key", SYS_request_key, {BAD_POINTER, BAD_POINTER, 0, 0}},
    {"ptrace", SYS_ptrace, {PTRACE_CONT, -1, 0, 0}},
    {"perf_event_open", SYS_perf_event_open, {BAD_POINTER, 0, -1, -1, 0}},
    {"clone_user", SYS_clone, {CLONE_NEWUSER | SIGCHLD}},
    {"clone3", SYS_clone3, {(long)clone3_arguments, sizeof clone3_arguments}},
    {"open_tree", SYS_open_tree, {BAD_FD, BAD_POINTER, 0}},
    {"move_mount", SYS_move_mount, {BAD_FD, BAD_POINTER, BAD_FD, BAD_POINTER, 0}},
    {"fsopen", SYS_fsopen, {BAD_POINTER, 0}},
    {"fsconfig", SYS_fsconfig, {BAD_FD, 0, 0, 0, 0}},
    {"fsmount", SYS_fsmount, {BAD_FD, 0, 0}},
    {"fspick", SYS_fspick, {BAD_FD, BAD_POINTER, 0}},
    {"mount_setattr", 442, {BAD_FD, BAD_POINTER, 0, BAD_POINTER, 0}},
    {"ioctl_tiocsti", SYS_ioctl, {BAD_FD, 0x5412, BAD_POINTER}},
    {"ioctl_tiocsti_high", SYS_ioctl, {BAD_FD, 0x100005412, BAD_POINTER}},
    {"ioctl_tioclinux", SYS_ioctl, {BAD_FD, 0x541c, BAD_POINTER}},
    {"ioctl_tioclinux_high", SYS_ioctl, {BAD_FD, 0x10000541c, BAD_POINTER}},
    {"ioctl_tcgets", SYS_ioctl, {BAD_FD, 0x5401, BAD_POINTER}},
    {"personality_read", SYS_personality, {0xffffffff}},
    {"personality_linux", SYS_personality, {PER_LINUX}},
    {"personality_other", SYS_personality, {PER_LINUX | ADDR_NO_RANDOMIZE}},
    {"syslog", SYS_syslog, {-1, 0, 0}},
    {"quotactl", SYS_quotactl, {-1, 0, 0, 0}},
    {"acct", SYS_acct, {(long)missing}},
    {"move_pages", SYS_move_pages, {0, 0, 0, 0, 0, -1}},
    {"mbind", SYS_mbind, {0, 0, -1, 0, 0, -1}},
    {"get_mempolicy", SYS_get_mempolicy, {0, 0, 0, 0, -1}},
    {"set_mempolicy", SYS_set_mempolicy, {-1, 0, 0}},
    {"migrate_pages", SYS_migrate_pages, {-1, 0, 0, 0}},
#ifdef SYS_modify_ldt
    {"modify_ldt", SYS_modify_ldt, {-1, 0, 0}},
#endif
#ifdef SYS_uselib
    {"uselib", SYS_uselib, {(long)missing}},
#endif
    {"socket_unix", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
    {"socket_inet", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
    {"socket_inet6", SYS_socket, {AF_INET6, SOCK_STREAM, 0}},
    {"socket_netlink", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}},
    {"socket_can", SYS_socket, {AF_CAN, SOCK_RAW, 1}},
    {"socket_bluetooth", SYS_socket, {AF_BLUETOOTH, SOCK_RAW, 1}},
    {"socket_packet", SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
    {"socket_x25", SYS_socket, {AF_X25, SOCK_SEQPACKET, 0}},
    {"socket_ax25", SYS_socket, {AF_AX25, SOCK_DGRAM, 0}},
    {"socket_rds", SYS_socket, {AF_RDS, SOCK_SEQPACKET, 0}},
    {"socket_tipc", SYS_socket, {AF_TIPC, SOCK_STREAM, 0}},
    {"socket_alg", SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}},
    {"socket_vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}},
    {"socket_xdp", SYS_socket, {AF_XDP, SOCK_RAW, 0}},
    {"socket_past_last", SYS_socket, {200, SOCK_STREAM, 0}},
};

// The errno comes back as the exit code. A process that the call itself made ends with 0 at once.
static int try_in_child(const struct attempt *one) {
  pid_t child = fork();
  if (child == 0) {
    const long *values = one->arguments;
    pid_t self = getpid();
    long result = syscall(one->number, values[0], values[1], values[2], values[3], values[4], values[5]);
    int error = result == -1 ? errno : 0;
    if (getpid() == self) {
      while (waitpid(-1, NULL, 0) > 0) {
      }
    }
    _exit(error);
  }
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child) return EAGAIN;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void probe_syscalls(void) {
  bool first = true;
  fflush(stdout);
  int results[sizeof attempts / sizeof attempts[0]];
  for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) results[i] = try_in_child(&attempts[i]);
  printf("{\"verb\":\"syscalls\",\"results\":{");
  for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
    print_member(&first, attempts[i].name, results[i] < 0 ? "KILLED" : error_name(results[i]));
  }
  puts("}}");
}
