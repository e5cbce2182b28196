// SPDX-License-Identifier: Apache-2.0
// What the probe reaches by sockets.
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "probe.h"

static int try_connect(const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int error = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
  close(fd);
  return error;
}

// A socket that has a name but no file, and so belongs to the network namespace.
static int try_abstract(const char *name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(name);
  if (length > sizeof address.sun_path - 2) return ENAMETOOLONG;
  memcpy(address.sun_path + 1, name, length);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
  int error = connect(fd, (const struct sockaddr *)&address, size) == 0 ? 0 : errno;
  close(fd);
  return error;
}

int probe_network(char **words) {
  const struct if_nameindex *interfaces = if_nameindex();
  printf("{\"verb\":\"network\",\"interfaces\":[");
  for (size_t i = 0; interfaces != NULL && interfaces[i].if_name != NULL; i++) {
    if (i > 0) putchar(',');
    print_text(interfaces[i].if_name);
  }
  putchar(']');
  bool first = false;
  if (words[0] == NULL) {
    puts("}");
    return 0;
  }
  print_member(&first, "connect", error_name(try_connect(words[0])));
  if (words[1] != NULL) print_member(&first, "abstract", error_name(try_abstract(words[1])));
  puts("}");
  return 0;
}

// Connects to sockets by their paths, asks as a Wayland client would for a sign of life, and prints what comes.
int probe_sockets(char **words) {
  for (; *words != NULL; words++) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char said[256] = "";
    // wl_display.sync
    const unsigned sync[] = {1, 12U << 16, 2};
    strncpy(address.sun_path, *words, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    // Who has spoken and gone already cannot be asked any more.
    if (error == 0) send(fd, sync, sizeof sync, MSG_NOSIGNAL);
    if (error == 0 && read(fd, said, sizeof said - 1) < 0) error = errno;
    if (fd >= 0) close(fd);
    bool first = true;
    putchar('{');
    print_member(&first, "verb", "sockets");
    print_member(&first, "path", *words);
    print_member(&first, "connect", error_name(error));
    print_member(&first, "said", said);
    puts("}");
  }
  return 0;
}
