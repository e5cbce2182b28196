// SPDX-License-Identifier: Apache-2.0
// Says what a program can see and do from where it runs. Run it inside a sandbox and outside to compare.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static void heading(const char *text) { printf("\n%s\n", text); }

static void line(const char *name, const char *value) { printf("  %-22s %s\n", name, value); }

static const char *variable(const char *name) {
  const char *value = getenv(name);
  return value == NULL || *value == '\0' ? "-" : value;
}

static void show_identity(void) {
  heading("Identity");
  char text[256];
  line("app", variable("FLATPAK_ID"));
  snprintf(text, sizeof text, "%u:%u", getuid(), getgid());
  line("user and group", text);
  snprintf(text, sizeof text, "%d", getpid());
  line("process", text);
  struct utsname name;
  if (uname(&name) == 0) {
    snprintf(text, sizeof text, "%s %s on %s", name.sysname, name.release, name.nodename);
    line("system", text);
  }
  if (getcwd(text, sizeof text) != NULL) line("working folder", text);
  line("home", variable("HOME"));
}

static int count_entries(const char *path) {
  DIR *folder = opendir(path);
  if (folder == NULL) return -1;
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) count++;
  }
  closedir(folder);
  return count;
}

static void show_folder(const char *path) {
  char text[128];
  int count = count_entries(path);
  if (count < 0) {
    snprintf(text, sizeof text, "%s", strerror(errno));
  } else {
    bool writable = access(path, W_OK) == 0;
    snprintf(text, sizeof text, "%d %s, %s", count, count == 1 ? "entry" : "entries", writable ? "writable" : "read-only");
  }
  line(path, text);
}

static void show_files(void) {
  heading("Files");
  static const char *const paths[] = {"/", "/app", "/usr", "/etc", "/home", "/root", "/tmp", "/var", "/run/host", "/sys", "/dev"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) show_folder(paths[i]);
  const char *home = getenv("HOME");
  if (home != NULL) show_folder(home);
}

static void show_processes(void) {
  heading("Processes");
  DIR *folder = opendir("/proc");
  if (folder == NULL) {
    line("/proc", strerror(errno));
    return;
  }
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    char path[300];
    char name[64] = "-";
    snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
      if (fgets(name, sizeof name, file) != NULL) name[strcspn(name, "\n")] = '\0';
      fclose(file);
    }
    line(entry->d_name, name);
  }
  closedir(folder);
}

static void show_network(void) {
  heading("Network");
  struct ifaddrs *all;
  if (getifaddrs(&all) != 0) {
    line("interfaces", strerror(errno));
    return;
  }
  for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
    if (one->ifa_addr == NULL) continue;
    char text[INET6_ADDRSTRLEN] = "";
    if (one->ifa_addr->sa_family == AF_INET) {
      inet_ntop(AF_INET, &((struct sockaddr_in *)one->ifa_addr)->sin_addr, text, sizeof text);
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      inet_ntop(AF_INET6, &((struct sockaddr_in6 *)one->ifa_addr)->sin6_addr, text, sizeof text);
    }
    if (*text != '\0') line(one->ifa_name, text);
  }
  freeifaddrs(all);
}

static void show_rights(void) {
  heading("Rights");
  char text[64];
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[2] = {0};
  if (syscall(SYS_capget, &header, sets) == 0) {
    snprintf(text, sizeof text, "%08x%08x", sets[1].effective, sets[0].effective);
    line("capabilities", text);
  }
  line("no new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? "yes" : "no");
  line("system call filter", prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2 ? "yes" : "no");
}

// Each attempt is made so that it has no effect where it is allowed.
static long try_mount(void) { return mount("none", "/nonexistent", "tmpfs", 0, NULL); }
static long try_unshare(void) { return unshare(CLONE_NEWUSER); }
static long try_ptrace(void) { return ptrace(PTRACE_PEEKDATA, -1, NULL, NULL); }
static long try_keyctl(void) { return syscall(SYS_keyctl, 0, -3, 0); }
static long try_bpf(void) { return syscall(SYS_bpf, -1, NULL, 0); }
static long try_perf(void) { return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0); }
static long try_personality(void) { return personality(0xffffffff); }
static long try_packet(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static long try_internet(void) { return socket(AF_INET, SOCK_STREAM, 0); }

static void show_calls(void) {
  heading("System calls");
  static const struct {
    const char *name;
    long (*call)(void);
  } attempts[] = {
      {"mount", try_mount},
      {"ptrace", try_ptrace},
      {"keyctl", try_keyctl},
      {"bpf", try_bpf},
      {"perf_event_open", try_perf},
      {"personality", try_personality},
      {"socket (packet)", try_packet},
      {"socket (internet)", try_internet},
      {"unshare (user)", try_unshare},
  };
  for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
    errno = 0;
    long result = attempts[i].call();
    bool refused = result < 0 && (errno == EPERM || errno == ENOSYS || errno == EACCES || errno == EAFNOSUPPORT);
    char text[128];
    if (result >= 0) {
      snprintf(text, sizeof text, "allowed");
    } else {
      snprintf(text, sizeof text, "%s (%s)", refused ? "refused" : "reached the kernel", strerror(errno));
    }
    line(attempts[i].name, text);
  }
}

int main(void) {
  printf("Dowel probe: what this program sees\n");
  show_identity();
  show_files();
  show_processes();
  show_network();
  show_rights();
  show_calls();
  return 0;
}
