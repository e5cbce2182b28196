// SPDX-License-Identifier: Apache-2.0
// The C library's names for system calls, only as far as the launcher uses them.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { KERNEL_SIGSET_BYTES = 8 };

// Flags and modes come as `int`, so the upper half of each argument is set here.
static long mode_of(int flags, va_list rest) { return (flags & O_CREAT) != 0 ? (long)va_arg(rest, mode_t) : 0; }

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  long mode = mode_of(flags, rest);
  va_end(rest);
  return (int)syscall(SYS_openat, (long)AT_FDCWD, path, (long)flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  long mode = mode_of(flags, rest);
  va_end(rest);
  return (int)syscall(SYS_openat, (long)folder, path, (long)flags, mode);
}

int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  return (int)syscall(SYS_fcntl, (long)fd, (long)command, argument);
}

int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  return (int)syscall(SYS_ioctl, (long)fd, request, argument);
}

int prctl(int option, ...) {
  unsigned long values[4];
  va_list rest;
  va_start(rest, option);
  for (int i = 0; i < 4; i++) values[i] = va_arg(rest, unsigned long);
  va_end(rest);
  return (int)syscall(SYS_prctl, (long)option, values[0], values[1], values[2], values[3]);
}

int close(int fd) { return (int)syscall(SYS_close, (long)fd); }
ssize_t write(int fd, const void *data, size_t size) { return syscall(SYS_write, (long)fd, data, size); }
ssize_t pread(int fd, void *data, size_t size, off_t at) { return syscall(SYS_pread64, (long)fd, data, size, at); }
int fstat(int fd, struct stat *status) { return (int)syscall(SYS_fstat, (long)fd, status); }

int stat(const char *path, struct stat *status) {
  return (int)syscall(SYS_newfstatat, (long)AT_FDCWD, path, status, 0L);
}

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *status) {
  return (int)syscall(SYS_statx, (long)folder, path, (long)flags, (long)mask, status);
}

ssize_t readlink(const char *path, char *data, size_t size) {
  return syscall(SYS_readlinkat, (long)AT_FDCWD, path, data, size);
}

int mkdirat(int folder, const char *path, mode_t mode) {
  return (int)syscall(SYS_mkdirat, (long)folder, path, (long)mode);
}

int unlinkat(int folder, const char *path, int flags) {
  return (int)syscall(SYS_unlinkat, (long)folder, path, (long)flags);
}

int symlinkat(const char *to, int folder, const char *path) {
  return (int)syscall(SYS_symlinkat, to, (long)folder, path);
}

mode_t umask(mode_t mask) { return (mode_t)syscall(SYS_umask, (long)mask); }
int chdir(const char *path) { return (int)syscall(SYS_chdir, path); }
int fchdir(int fd) { return (int)syscall(SYS_fchdir, (long)fd); }
char *getcwd(char *buffer, size_t size) { return syscall(SYS_getcwd, buffer, size) < 0 ? NULL : buffer; }

int isatty(int fd) {
  char settings[256];
  return syscall(SYS_ioctl, (long)fd, (long)TCGETS, settings) == 0;
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  return (void *)syscall(SYS_mmap, at, size, (long)protection, (long)flags, (long)fd, offset);
}

int munmap(void *at, size_t size) { return (int)syscall(SYS_munmap, at, size); }

pid_t getpid(void) { return (pid_t)syscall(SYS_getpid); }
pid_t getppid(void) { return (pid_t)syscall(SYS_getppid); }
uid_t geteuid(void) { return (uid_t)syscall(SYS_geteuid); }
gid_t getegid(void) { return (gid_t)syscall(SYS_getegid); }
int unshare(int flags) { return (int)syscall(SYS_unshare, (long)flags); }
int sethostname(const char *name, size_t length) { return (int)syscall(SYS_sethostname, name, length); }
int socket(int family, int type, int protocol) {
  return (int)syscall(SYS_socket, (long)family, (long)type, (long)protocol);
}

// Waits for a time that is given in milliseconds; the launcher never waits for ever.
int poll(struct pollfd *fds, nfds_t count, int timeout) {
  struct timespec time = {.tv_sec = timeout / 1000, .tv_nsec = (long)(timeout % 1000) * 1000000};
  return (int)syscall(SYS_ppoll, fds, count, &time, NULL, 0L);
}

pid_t waitpid(pid_t pid, int *status, int flags) {
  return (pid_t)syscall(SYS_wait4, (long)pid, status, (long)flags, NULL);
}

int kill(pid_t pid, int number) { return (int)syscall(SYS_kill, (long)pid, (long)number); }

int sigqueue(pid_t pid, int number, const union sigval value) {
  siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};
  info.si_pid = getpid();
  info.si_uid = geteuid();
  info.si_value = value;
  return (int)syscall(SYS_rt_sigqueueinfo, (long)pid, (long)number, &info);
}

int sigwaitinfo(const sigset_t *set, siginfo_t *info) {
  return (int)syscall(SYS_rt_sigtimedwait, set, info, NULL, (long)KERNEL_SIGSET_BYTES);
}

int sigprocmask(int how, const sigset_t *set, sigset_t *before) {
  return (int)syscall(SYS_rt_sigprocmask, (long)how, set, before, (long)KERNEL_SIGSET_BYTES);
}
