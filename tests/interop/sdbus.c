// SPDX-License-Identifier: Apache-2.0
// A client of the session bus by way of sd-bus(3), for what busctl(1) cannot do:
//   sdbus document FILE   asks the document portal for a document of a file, and prints its id
//   sdbus ask NAME TEXT   calls org.example.Echo.Say of a name with a text, and prints the text that comes back
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

static int fail(const char *what, int error, const sd_bus_error *reason) {
  fprintf(stderr, "%s: %s (%s)\n", what, strerror(-error), reason->name == NULL ? "" : reason->name);
  return 1;
}

int main(int argc, char **argv) {
  sd_bus *bus = NULL;
  sd_bus_error reason = SD_BUS_ERROR_NULL;
  sd_bus_message *reply = NULL;
  const char *text = NULL;
  int error = sd_bus_open_user(&bus);
  if (error < 0) return fail("connect", error, &reason);
  if (argc == 3 && strcmp(argv[1], "document") == 0) {
    int fd = open(argv[2], O_PATH | O_CLOEXEC);
    error = sd_bus_call_method(bus, "org.freedesktop.portal.Documents", "/org/freedesktop/portal/documents",
                               "org.freedesktop.portal.Documents", "Add", &reason, &reply, "hbb", fd, 0, 1);
  } else if (argc == 4 && strcmp(argv[1], "ask") == 0) {
    error = sd_bus_call_method(bus, argv[2], "/org/example/Echo", "org.example.Echo", "Say", &reason, &reply, "s", argv[3]);
  } else {
    return 2;
  }
  if (error < 0) return fail("call", error, &reason);
  error = sd_bus_message_read(reply, "s", &text);
  if (error < 0) return fail("read", error, &reason);
  puts(text);
  sd_bus_message_unref(reply);
  sd_bus_flush_close_unref(bus);
  return 0;
}
