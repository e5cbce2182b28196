// SPDX-License-Identifier: Apache-2.0
#include "fail.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

struct step_text {
  const char *name;
  const char *action;
};

static const struct step_text step_texts[] = {
    [STEP_USAGE] = {"usage", "understand the command line"},
    [STEP_PROGRAM] = {"program", "start Dowel's program"},
    [STEP_PLAN] = {"plan", "read the plan"},
    [STEP_PLAN_REFUSED] = {"plan", "accept the plan:"},
    [STEP_NAMESPACE] = {"namespace", "create the namespaces"},
    [STEP_IDENTITY] = {"identity", "map the user into the namespace"},
    [STEP_NETWORK] = {"network", "set up the network namespace"},
    [STEP_SOURCE] = {"source", "open"},
    [STEP_LOWER] = {"lower", "open the root's folder"},
    [STEP_ROOT] = {"root", "mount the root"},
    [STEP_TARGET] = {"target", "make the mount point"},
    [STEP_MOUNT] = {"mount", "mount"},
    [STEP_PIVOT] = {"pivot", "change the root"},
    [STEP_PRIVILEGES] = {"privileges", "drop privileges"},
    [STEP_SECCOMP] = {"seccomp", "install the system call filter"},
    [STEP_PROCESS] = {"process", "start the first process"},
    [STEP_INSTANCE] = {"instance", "say what runs in"},
    [STEP_CGROUP] = {"cgroup", "make the control group"},
    [STEP_SESSION] = {"session", "reach the session service for the sandbox's buses by"},
    [STEP_LIMIT] = {"limit", "set the limit"},
    [STEP_LANDLOCK] = {"landlock", "restrict with Landlock"},
    [STEP_ENTER] = {"enter", "enter the sandbox"},
    [STEP_FOLDER] = {"folder", "enter the folder"},
    [STEP_COMMAND] = {"command", "execute"},
};

static int report_fd = -1;

void fail_report_to(int fd) { report_fd = fd; }

static void add_message(struct text *text, enum step step, int error, const char *subject) {
  text_add(text, "Cannot ");
  text_add(text, step_texts[step].action);
  if (subject != NULL) {
    text_add(text, " ");
    text_add_foreign(text, subject);
  }
  const char *reason = error == 0 ? NULL : strerrordesc_np(error);
  if (reason != NULL) {
    text_add(text, ": ");
    text_add(text, reason);
  }
}

enum { MESSAGE_MAX = 6144 };

static void report_text(const struct text *message, const char *hint) {
  char buffer[MESSAGE_MAX + 1024];
  struct text text = TEXT(buffer);
  text_add(&text, "error: ");
  text_add(&text, message->data);
  text_add(&text, "\n");
  if (hint != NULL) {
    text_add(&text, "hint: ");
    text_add(&text, hint);
    text_add(&text, "\n");
  }
  text_write(&text, STDERR_FILENO);
}

static void add_member(struct text *text, const char *name, const char *value) {
  if (value == NULL) return;
  text_add(text, ",\"");
  text_add(text, name);
  text_add(text, "\":\"");
  text_add_json(text, value);
  text_add(text, "\"");
}

static void report_json(enum step step, int operation, int error, const char *subject, const struct text *message,
                        const char *hint) {
  char buffer[4 * MESSAGE_MAX];
  struct text text = TEXT(buffer);
  text_add(&text, "{\"step\":\"");
  text_add(&text, step_texts[step].name);
  text_add(&text, "\",\"operation\":");
  text_add_number(&text, operation);
  add_member(&text, "errno", error == 0 ? NULL : strerrorname_np(error));
  add_member(&text, "subject", subject);
  add_member(&text, "message", message->data);
  add_member(&text, "hint", hint);
  text_add(&text, "}\n");
  text_write(&text, report_fd);
}

static _Noreturn void give_up(int code, enum step step, int operation, int error, const char *subject,
                              const char *hint) {
  char buffer[MESSAGE_MAX];
  struct text message = TEXT(buffer);
  add_message(&message, step, error, subject);
  if (report_fd >= 0) {
    report_json(step, operation, error, subject, &message, hint);
  } else {
    report_text(&message, hint);
  }
  _exit(code);
}

_Noreturn void die(enum step step, int operation, int error, const char *subject, const char *hint) {
  give_up(EXIT_SETUP, step, operation, error, subject, hint);
}

_Noreturn void die_with(enum exit_code code, enum step step, int error, const char *subject, const char *hint) {
  give_up((int)code, step, -1, error, subject, hint);
}
