// SPDX-License-Identifier: Apache-2.0
// A Wayland socket of the sandbox's own. Where the compositor offers wp_security_context_v1 it is told whose clients come
// by that socket, and keeps from them what only trusted ones may use. A few messages of the protocol suffice; each
// answer is checked, and whatever is not as it must be leaves the sandbox without a socket.
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "run.h"
#include "sys.h"
#include "text.h"
#include "trace.h"

// Objects of this connection. The first is there from the beginning, the others are made in this order.
enum { DISPLAY = 1, REGISTRY, FIRST_SYNC, MANAGER, CONTEXT, LAST_SYNC };
// Requests and events, by the order in which the protocol's description has them.
enum { DISPLAY_SYNC = 0, DISPLAY_GET_REGISTRY = 1, DISPLAY_ERROR = 0, REGISTRY_BIND = 0, REGISTRY_GLOBAL = 0 };
enum { MANAGER_CREATE_LISTENER = 1, CONTEXT_ENGINE = 1, CONTEXT_APP = 2, CONTEXT_INSTANCE = 3, CONTEXT_COMMIT = 4 };
enum { HEADER_WORDS = 2, MESSAGE_BYTES_MAX = 8192, ANSWER_BYTES_MAX = 1 << 20, ANSWER_MILLISECONDS = 25000, BACKLOG = 128 };

static const char manager_interface[] = "wp_security_context_manager_v1";

struct requests {
  uint32_t words[256];
  size_t count;
  size_t begin;
};

struct answers {
  int fd;
  size_t total;
  size_t length;
  // The number that the compositor has given to its manager of contexts; 0 for none.
  uint32_t manager;
  uint32_t bytes[MESSAGE_BYTES_MAX / sizeof(uint32_t)];
};

static void begin(struct requests *requests, uint32_t object) {
  requests->begin = requests->count;
  requests->words[requests->count] = object;
  requests->count += HEADER_WORDS;
}

static void end(struct requests *requests, uint32_t opcode) {
  size_t size = (requests->count - requests->begin) * sizeof(uint32_t);
  requests->words[requests->begin + 1] = (uint32_t)size << 16 | opcode;
}

static void add_number(struct requests *requests, uint32_t number) { requests->words[requests->count++] = number; }

// Counted with its NUL, filled up to whole words; at most PLAN_NAME_MAX bytes.
static void add_string(struct requests *requests, const char *string) {
  size_t length = strnlen(string, PLAN_NAME_MAX) + 1;
  size_t words = (length + sizeof(uint32_t) - 1) / sizeof(uint32_t);
  add_number(requests, (uint32_t)length);
  requests->words[requests->count + words - 1] = 0;
  memcpy(&requests->words[requests->count], string, length - 1);
  requests->count += words;
}

static void add_simple(struct requests *requests, uint32_t object, uint32_t opcode, uint32_t made) {
  begin(requests, object);
  if (made != 0) add_number(requests, made);
  end(requests, opcode);
}

static void add_text(struct requests *requests, uint32_t opcode, const char *string) {
  begin(requests, CONTEXT);
  add_string(requests, string);
  end(requests, opcode);
}

// With the descriptors that the requests speak of, if any.
static bool send_requests(int fd, const struct requests *requests, const int *fds, size_t count) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(2 * sizeof(int))];
  } control = {0};
  size_t size = requests->count * sizeof(uint32_t);
  struct iovec data = {(void *)(uintptr_t)requests->words, size};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_LEN(count * sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
  }
  return syscall(SYS_sendmsg, (long)fd, &message, (long)MSG_NOSIGNAL) == (long)size;
}

// `wl_registry.global`: number, interface, version.
static void see_global(struct answers *answers, const uint32_t *words, size_t count) {
  const size_t length = sizeof manager_interface;
  const size_t string = (length + sizeof(uint32_t) - 1) / sizeof(uint32_t);
  if (count != 2 + string + 1 || words[1] != length || memcmp(&words[2], manager_interface, length) != 0) return;
  if (words[2 + string] >= 1) answers->manager = words[0];
}

enum verdict { VERDICT_MORE, VERDICT_DONE, VERDICT_BAD };

static enum verdict take_message(struct answers *answers, uint32_t sync, size_t *size) {
  const uint32_t *words = answers->bytes;
  *size = words[1] >> 16;
  uint32_t opcode = words[1] & 0xffff;
  if (*size < HEADER_WORDS * sizeof(uint32_t) || *size % sizeof(uint32_t) != 0 || *size > MESSAGE_BYTES_MAX) {
    return VERDICT_BAD;
  }
  if (answers->length < *size) {
    *size = 0;
    return VERDICT_MORE;
  }
  if (words[0] == DISPLAY && opcode == DISPLAY_ERROR) return VERDICT_BAD;
  if (words[0] == sync) return VERDICT_DONE;
  if (words[0] == REGISTRY && opcode == REGISTRY_GLOBAL) {
    see_global(answers, words + HEADER_WORDS, *size / sizeof(uint32_t) - HEADER_WORDS);
  }
  return VERDICT_MORE;
}

static bool receive(struct answers *answers) {
  struct pollfd ready = {.fd = answers->fd, .events = POLLIN};
  int count;
  while ((count = poll(&ready, 1, ANSWER_MILLISECONDS)) < 0 && errno == EINTR) {
  }
  if (count <= 0) return false;
  char *at = (char *)answers->bytes + answers->length;
  long got = syscall(SYS_recvfrom, (long)answers->fd, at, (long)(MESSAGE_BYTES_MAX - answers->length), 0L, NULL, NULL);
  if (got <= 0) return false;
  answers->length += (size_t)got;
  answers->total += (size_t)got;
  return answers->total <= ANSWER_BYTES_MAX;
}

// Reads until the compositor has answered everything before `sync`; false where it names an error or makes no sense.
static bool wait_for(struct answers *answers, uint32_t sync) {
  for (;;) {
    size_t size = 0;
    enum verdict verdict = VERDICT_MORE;
    if (answers->length >= HEADER_WORDS * sizeof(uint32_t)) verdict = take_message(answers, sync, &size);
    if (verdict == VERDICT_BAD) return false;
    answers->length -= size;
    for (size_t i = 0; i < answers->length && size > 0; i++) {
      ((char *)answers->bytes)[i] = ((char *)answers->bytes)[i + size];
    }
    if (verdict == VERDICT_DONE) return true;
    if (size == 0 && !receive(answers)) return false;
  }
}

static void add_path(struct text *path, int fd, const char *name) {
  text_add(path, "/proc/self/fd/");
  text_add_number(path, fd);
  text_add(path, name);
}

// By a descriptor, since an address is short.
static int open_socket(int fd, const char *name, long call) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct text path = TEXT(address.sun_path);
  add_path(&path, fd, name);
  int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) return -1;
  if (syscall(call, (long)socket_fd, &address, (long)sizeof address) == 0) return socket_fd;
  close(socket_fd);
  return -1;
}

static int connect_to(const char *path) {
  int file = open(path, O_PATH | O_CLOEXEC);
  int fd = file < 0 ? -1 : open_socket(file, "", SYS_connect);
  if (file >= 0) close(file);
  return fd;
}

// Asks for the context: the listening socket, the descriptor whose end is the context's end, and whose it is.
static bool ask(const struct start *start, struct answers *answers, const int fds[2]) {
  struct requests requests = {.count = 0};
  begin(&requests, REGISTRY);
  add_number(&requests, answers->manager);
  add_string(&requests, manager_interface);
  add_number(&requests, 1);
  add_number(&requests, MANAGER);
  end(&requests, REGISTRY_BIND);
  add_simple(&requests, MANAGER, MANAGER_CREATE_LISTENER, CONTEXT);
  add_text(&requests, CONTEXT_ENGINE, "org.flatpak");
  add_text(&requests, CONTEXT_APP, start->plan.instance.id);
  add_text(&requests, CONTEXT_INSTANCE, start->instance.number);
  add_simple(&requests, CONTEXT, CONTEXT_COMMIT, 0);
  add_simple(&requests, DISPLAY, DISPLAY_SYNC, LAST_SYNC);
  return send_requests(answers->fd, &requests, fds, 2) && wait_for(answers, LAST_SYNC);
}

// `ends[1]` stays open as long as the monitor lives.
static bool make_context(struct start *start, struct answers *answers) {
  int ends[2];
  if (syscall(SYS_pipe2, ends, (long)O_CLOEXEC) != 0) return false;
  int listening = open_socket(start->instance.folder, "/wayland", SYS_bind);
  bool made = listening >= 0 && syscall(SYS_listen, (long)listening, (long)BACKLOG) == 0;
  if (made) made = ask(start, answers, (const int[]){listening, ends[0]});
  if (listening >= 0) close(listening);
  close(ends[0]);
  if (made) {
    start->wayland.life = ends[1];
  } else {
    close(ends[1]);
  }
  return made;
}

static enum wayland_state find_state(struct start *start, const char *path) {
  static struct answers answers;
  struct requests requests = {.count = 0};
  answers.fd = connect_to(path);
  // Nobody listens: the app shall find that out itself.
  if (answers.fd < 0) return WAYLAND_PLAIN;
  add_simple(&requests, DISPLAY, DISPLAY_GET_REGISTRY, REGISTRY);
  add_simple(&requests, DISPLAY, DISPLAY_SYNC, FIRST_SYNC);
  enum wayland_state state = WAYLAND_NONE;
  if (send_requests(answers.fd, &requests, NULL, 0) && wait_for(&answers, FIRST_SYNC)) {
    state = WAYLAND_PLAIN;
    if (answers.manager != 0) state = make_context(start, &answers) ? WAYLAND_CONTEXT : WAYLAND_NONE;
  }
  close(answers.fd);
  return state;
}

void wayland_prepare(struct start *start) {
  const struct plan *plan = &start->plan;
  for (uint32_t i = 0; i < plan->mount_count; i++) {
    const struct mount_operation *one = &plan->mounts[i];
    if (one->kind != MOUNT_BIND || (one->flags & BIND_WAYLAND) == 0) continue;
    start->wayland.state = find_state(start, plan_string(plan, one->source));
    trace_mark("make the Wayland context", NULL);
    return;
  }
}
