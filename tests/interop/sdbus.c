// SPDX-License-Identifier: Apache-2.0
// The session bus by way of sd-bus(3), for what the bus's own tools cannot do:
//   sdbus document FILE   asks the document portal for a document of a file, and prints its id
//   sdbus ask NAME TEXT   calls org.example.Echo.Say of a name with a text, and prints the text that comes back
//   sdbus serve NAME      owns a name and answers such calls with `NAME says TEXT`
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

static const char path[] = "/org/example/Echo", interface[] = "org.example.Echo";

static int fail(const char *what, int error, const sd_bus_error *reason) {
  fprintf(stderr, "%s: %s (%s)\n", what, strerror(-error), reason->name == NULL ? "" : reason->name);
  return 1;
}

static int print_reply(sd_bus_message *reply) {
  const char *text = NULL;
  int error = sd_bus_message_read(reply, "s", &text);
  if (error < 0) return fail("read", error, &SD_BUS_ERROR_NULL);
  puts(text);
  sd_bus_message_unref(reply);
  return 0;
}

static int say(sd_bus_message *call, void *name, sd_bus_error *reason) {
  char answer[512];
  const char *text;
  (void)reason;
  int error = sd_bus_message_read(call, "s", &text);
  if (error < 0) return error;
  snprintf(answer, sizeof answer, "%s says %s", (const char *)name, text);
  return sd_bus_reply_method_return(call, "s", answer);
}

static const sd_bus_vtable methods[] = {
  SD_BUS_VTABLE_START(0),
  SD_BUS_METHOD("Say", "s", "s", say, SD_BUS_VTABLE_UNPRIVILEGED),
  SD_BUS_VTABLE_END,
};

static int serve(sd_bus *bus, char *name) {
  int error = sd_bus_add_object_vtable(bus, NULL, path, interface, methods, name);
  if (error >= 0) error = sd_bus_request_name(bus, name, 0);
  while (error >= 0) error = sd_bus_process(bus, NULL) > 0 ? 0 : sd_bus_wait(bus, UINT64_MAX);
  return fail("serve", error, &SD_BUS_ERROR_NULL);
}

int main(int argc, char **argv) {
  static const char documents[] = "org.freedesktop.portal.Documents";
  sd_bus *bus = NULL;
  sd_bus_error reason = SD_BUS_ERROR_NULL;
  sd_bus_message *reply = NULL;
  if (argc < 3) return 2;
  int error = sd_bus_open_user(&bus);
  if (error < 0) return fail("connect", error, &reason);
  if (strcmp(argv[1], "serve") == 0) return serve(bus, argv[2]);
  if (argc == 3) {
    int fd = open(argv[2], O_PATH | O_CLOEXEC);
    error = sd_bus_call_method(bus, documents, "/org/freedesktop/portal/documents", documents, "Add", &reason, &reply, "hbb",
                               fd, 0, 1);
  } else {
    error = sd_bus_call_method(bus, argv[2], path, interface, "Say", &reason, &reply, "s", argv[3]);
  }
  return error < 0 ? fail("call", error, &reason) : print_reply(reply);
}
