// SPDX-License-Identifier: Apache-2.0
// Takes as much as it is told, to find out what bounds it.
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

// Uses that many MiB, one after the other.
int probe_memory(char **words) {
  size_t count = words[0] == NULL ? 1 : strtoul(words[0], NULL, 10);
  for (size_t i = 0; i < count; i++) {
    char *piece = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (piece == MAP_FAILED) return 2;
    memset(piece, 1, 1 << 20);
  }
  puts("{\"verb\":\"memory\"}");
  return 0;
}

// Starts that many processes, each in a session of its own and deaf to signals that can be ignored, then waits.
int probe_forks(char **words) {
  int wanted = words[0] == NULL ? 1 : atoi(words[0]);
  int made = 0;
  int error = 0;
  for (; made < wanted; made++) {
    pid_t child = fork();
    if (child < 0) {
      error = errno;
      break;
    }
    if (child == 0) {
      setsid();
      for (int number = 1; number < 32; number++) signal(number, SIG_IGN);
      for (;;) pause();
    }
  }
  printf("{\"verb\":\"forks\",\"ready\":true,\"made\":%d,\"error\":\"%s\"}\n", made, error_name(error));
  fflush(stdout);
  if (words[0] != NULL && words[1] != NULL) return 0;
  for (;;) pause();
}

// A process in a user namespace of its own, which stays until its parent ends; answers an errno, or 0.
static int hold_namespace(void) {
  int said[2];
  int error = EIO;
  if (pipe(said) != 0) return errno;
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    error = unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
    if (write(said[1], &error, sizeof error) != sizeof error) _exit(1);
    while (error == 0) pause();
    _exit(0);
  }
  if (child < 0 || read(said[0], &error, sizeof error) != sizeof error) error = EIO;
  close(said[0]);
  close(said[1]);
  if (error != 0) waitpid(child, NULL, 0);
  return error;
}

// Makes user namespaces beside each other until the kernel refuses, and says how many there were. With a word more it stays.
int probe_nest(char **words) {
  int made = 0;
  int error = 0;
  while (made < 1000 && (error = hold_namespace()) == 0) made++;
  printf("{\"verb\":\"nest\",\"made\":%d,\"error\":\"%s\"}\n", made, error_name(error));
  fflush(stdout);
  while (words[0] != NULL) pause();
  return 0;
}
