// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void print_text(const char *text) {
  putchar('"');
  for (; *text != '\0'; text++) {
    unsigned char byte = (unsigned char)*text;
    if (byte == '"' || byte == '\\') {
      printf("\\%c", byte);
    } else if (byte < 0x20) {
      printf("\\u%04x", byte);
    } else {
      putchar(byte);
    }
  }
  putchar('"');
}

void print_member(bool *first, const char *name, const char *value) {
  if (!*first) putchar(',');
  *first = false;
  print_text(name);
  putchar(':');
  print_text(value);
}

const char *error_name(int error) {
  const char *name = error == 0 ? "OK" : strerrorname_np(error);
  return name == NULL ? "UNKNOWN" : name;
}

static void print_status_fields(void) {
  static const char *const wanted[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"};
  char line[4096];
  FILE *status = fopen("/proc/self/status", "re");
  while (status != NULL && fgets(line, sizeof line, status) != NULL) {
    char *colon = strchr(line, ':');
    if (colon == NULL) continue;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    value[strcspn(value, "\n")] = '\0';
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
      bool first = false;
      if (strcmp(line, wanted[i]) == 0) print_member(&first, line, value);
    }
  }
  if (status != NULL) fclose(status);
}

static int verb_id(char **words) {
  (void)words;
  char host[256] = "";
  char cwd[4096] = "";
  gid_t groups[256];
  gethostname(host, sizeof host - 1);
  if (getcwd(cwd, sizeof cwd) == NULL) cwd[0] = '\0';
  int count = getgroups(256, groups);
  printf("{\"verb\":\"id\",\"uid\":%u,\"euid\":%u,\"gid\":%u,\"pid\":%d,\"ppid\":%d,\"groups\":[", getuid(), geteuid(),
         getgid(), getpid(), getppid());
  for (int i = 0; i < count; i++) printf("%s%u", i == 0 ? "" : ",", groups[i]);
  printf("]");
  bool first = false;
  print_member(&first, "hostname", host);
  print_member(&first, "cwd", cwd);
  print_status_fields();
  puts("}");
  return 0;
}

static const char *kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFCHR:
      return "character";
    case S_IFSOCK:
      return "socket";
    default:
      return "other";
  }
}

static void print_directory(const char *path) {
  DIR *folder = opendir(path);
  if (folder == NULL) return;
  printf(",\"entries\":[");
  const struct dirent *entry;
  for (bool first = true; (entry = readdir(folder)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (!first) putchar(',');
    first = false;
    print_text(entry->d_name);
  }
  putchar(']');
  closedir(folder);
}

// Whether something can be written: a file is opened, in a folder a name is made and removed again.
static int try_write(const char *path, bool is_directory) {
  char inside[4200];
  snprintf(inside, sizeof inside, "%s/.probe-%d", path, getpid());
  int fd = is_directory ? open(inside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                        : open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno;
  close(fd);
  if (is_directory) unlink(inside);
  return 0;
}

static void print_content(const char *path) {
  char content[8193];
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ssize_t count = fd < 0 ? -1 : read(fd, content, sizeof content - 1);
  bool first = false;
  print_member(&first, "read", error_name(count < 0 ? errno : 0));
  if (count >= 0) {
    content[count] = '\0';
    print_member(&first, "content", content);
  }
  if (fd >= 0) close(fd);
}

static void print_link(const char *path) {
  char to[4096];
  ssize_t length = readlink(path, to, sizeof to - 1);
  bool first = false;
  if (length < 0) return;
  to[length] = '\0';
  print_member(&first, "to", to);
}

static int verb_files(char **words) {
  for (; *words != NULL; words++) {
    struct stat status;
    int error = lstat(*words, &status) == 0 ? 0 : errno;
    bool first = true;
    putchar('{');
    print_member(&first, "verb", "files");
    print_member(&first, "path", *words);
    print_member(&first, "stat", error_name(error));
    if (error == 0) {
      bool is_directory = S_ISDIR(status.st_mode);
      print_member(&first, "kind", kind_of(status.st_mode));
      printf(",\"mode\":%u,\"size\":%lld", status.st_mode & 07777U, (long long)status.st_size);
      if (S_ISREG(status.st_mode)) print_content(*words);
      if (S_ISLNK(status.st_mode)) print_link(*words);
      print_member(&first, "write", error_name(try_write(*words, is_directory)));
      if (is_directory) print_directory(*words);
    }
    puts("}");
  }
  return 0;
}

static int verb_mounts(char **words) {
  (void)words;
  char line[8192];
  FILE *mounts = fopen("/proc/self/mountinfo", "re");
  if (mounts == NULL) return 1;
  while (fgets(line, sizeof line, mounts) != NULL) {
    char root[4096];
    char point[4096];
    char options[256];
    char type[64];
    if (sscanf(line, "%*s %*s %*s %4095s %4095s %255s", root, point, options) != 3) continue;
    const char *rest = strstr(line, " - ");
    if (rest == NULL || sscanf(rest, " - %63s", type) != 1) continue;
    bool first = true;
    putchar('{');
    print_member(&first, "verb", "mounts");
    print_member(&first, "target", point);
    print_member(&first, "root", root);
    print_member(&first, "options", options);
    print_member(&first, "type", type);
    line[strcspn(line, "\n")] = '\0';
    print_member(&first, "line", line);
    puts("}");
  }
  fclose(mounts);
  return 0;
}

// The numbers among the names of a folder, or the descriptors of this process.
static int print_numbers(const char *verb, const char *path) {
  DIR *folder = opendir(path);
  if (folder == NULL) return 1;
  printf("{\"verb\":\"%s\",\"numbers\":[", verb);
  bool first = true;
  const struct dirent *entry;
  while ((entry = readdir(folder)) != NULL) {
    char *end;
    long number = strtol(entry->d_name, &end, 10);
    if (*end != '\0' || (strcmp(verb, "fds") == 0 && number == dirfd(folder))) continue;
    printf("%s%ld", first ? "" : ",", number);
    first = false;
  }
  puts("]}");
  closedir(folder);
  return 0;
}

static int verb_processes(char **words) {
  (void)words;
  return print_numbers("processes", "/proc");
}

static int verb_fds(char **words) {
  (void)words;
  return print_numbers("fds", "/proc/self/fd");
}

static int verb_syscalls(char **words) {
  (void)words;
  probe_syscalls();
  return 0;
}

static int verb_env(char **words) {
  (void)words;
  bool first = true;
  printf("{\"verb\":\"env\",\"variables\":{");
  for (char **one = environ; *one != NULL; one++) {
    char *equals = strchr(*one, '=');
    if (equals == NULL) continue;
    *equals = '\0';
    print_member(&first, *one, equals + 1);
    *equals = '=';
  }
  puts("}}");
  return 0;
}

static int verb_args(char **words) {
  printf("{\"verb\":\"args\",\"words\":[");
  for (char **one = words; *one != NULL; one++) {
    if (one != words) putchar(',');
    print_text(*one);
  }
  puts("]}");
  return 0;
}

static int verb_exit(char **words) { return words[0] == NULL ? 0 : atoi(words[0]); }

static int verb_signal(char **words) {
  fflush(stdout);
  raise(words[0] == NULL ? SIGTERM : atoi(words[0]));
  return 0;
}

// Leaves a child of a child behind; it holds stdout open as long as it lives.
static int verb_orphans(char **words) {
  (void)words;
  int ready[2];
  if (pipe(ready) != 0) return 1;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) {
      setsid();
      if (write(ready[1], "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    _exit(0);
  }
  char byte;
  bool ok = waitpid(child, NULL, 0) == child && read(ready[0], &byte, 1) == 1;
  puts("{\"verb\":\"orphans\"}");
  return ok ? 0 : 1;
}

// Says that it is ready, then prints the number of each signal that comes; SIGTERM and SIGINT end it with code 3.
static int verb_wait(char **words) {
  (void)words;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  puts("{\"verb\":\"wait\",\"ready\":true}");
  fflush(stdout);
  for (;;) {
    int number = 0;
    if (sigwait(&all, &number) != 0) return 1;
    printf("{\"verb\":\"wait\",\"signal\":%d}\n", number);
    fflush(stdout);
    if (number == SIGTERM || number == SIGINT) return 3;
  }
}

// Locks a file together with an orphan that has left the session, says so, and stays until signals end it.
static int verb_hold(char **words) {
  int ready[2];
  int fd = open(words[0], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || flock(fd, LOCK_EX) != 0 || pipe(ready) != 0) return 1;
  pid_t child = fork();
  if (child == 0) {
    if (fork() != 0) _exit(0);
    setsid();
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  if (waitpid(child, NULL, 0) != child || read(ready[0], &byte, 1) != 1) return 1;
  puts("{\"verb\":\"hold\",\"ready\":true}");
  fflush(stdout);
  for (;;) pause();
}

struct verb {
  const char *name;
  int (*run)(char **words);
};

static const struct verb verbs[] = {
    {"id", verb_id},           {"mounts", verb_mounts},   {"processes", verb_processes}, {"network", probe_network},
    {"fds", verb_fds},         {"env", verb_env},         {"syscalls", verb_syscalls},   {"files", verb_files},
    {"args", verb_args},       {"exit", verb_exit},       {"signal", verb_signal},       {"orphans", verb_orphans},
    {"wait", verb_wait},       {"sockets", probe_sockets}, {"hold", verb_hold},           {"memory", probe_memory},
    {"forks", probe_forks},    {"nest", probe_nest},
};
// The verbs up to this one take no argument that matters; `all` is all of them.
enum { HARMLESS_VERBS = 7 };

int main(int count, char **words) {
  if (count < 2) return 2;
  if (strcmp(words[1], "all") == 0) {
    int result = 0;
    for (size_t i = 0; i < HARMLESS_VERBS; i++) result |= verbs[i].run(words + 2);
    return result;
  }
  for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
    if (strcmp(words[1], verbs[i].name) == 0) return verbs[i].run(words + 2);
  }
  fprintf(stderr, "error: Unknown verb %s\n", words[1]);
  return 2;
}
