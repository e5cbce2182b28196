// SPDX-License-Identifier: Apache-2.0
// The buses of the sandbox, which the session service serves. The launcher makes the sockets that the sandbox sees, and
// hands them to the service in one message; src/session/service/handover.ts says what is in it. Later the monitor opens
// connections to the buses, from within the sandbox's root: portals go by the process that called connect(2).
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "run.h"
#include "sys.h"
#include "text.h"
#include "trace.h"

#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 1U
#endif

enum { BACKLOG = 4096, DESCRIPTORS_MAX = 4 + BUS_COUNT, SEALS_ALL = 15, LOG_FLAG = 1 };

const char *const session_files[BUS_COUNT] = {"/session-bus", "/system-bus", "/a11y-bus", "/pulse", "/pipewire"};

struct packet {
  char magic[8];
  uint32_t version;
  uint32_t buses;
  uint32_t flags;
  char number[24];
};

struct control {
  struct cmsghdr header;
  int descriptors[DESCRIPTORS_MAX];
};

static bool fail(struct failure *failure, const char *subject, const char *hint) {
  *failure = (struct failure){STEP_SESSION, errno, subject, hint};
  return false;
}

static int make_address(struct sockaddr_un *address, const char *path) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  struct text text = TEXT(address->sun_path);
  text_add(&text, path);
  if (text.length == strlen(path)) return 0;
  errno = ENAMETOOLONG;
  return -1;
}

// A socket that is connected to `name`, a path or a name in the current folder; -1 with errno.
static int connect_to(int type, const char *name) {
  struct sockaddr_un address;
  if (make_address(&address, name) != 0) return -1;
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0 || syscall(SYS_connect, (long)fd, &address, sizeof address) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

static int listen_at(const char *path) {
  struct sockaddr_un address;
  if (make_address(&address, path) != 0) return -1;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || syscall(SYS_bind, (long)fd, &address, sizeof address) != 0) return -1;
  return syscall(SYS_listen, (long)fd, (long)BACKLOG) == 0 ? fd : -1;
}

// The folder of a socket and its name in it: both are needed where the host's paths are out of reach.
static int open_folder_of(const char *path, char *name, size_t capacity) {
  char buffer[PLAN_PATH_MAX + 1];
  struct text folder = TEXT(buffer);
  struct text last = {name, capacity, 0};
  const char *slash = strrchr(path, '/');
  text_add_part(&folder, path, slash == path ? 1 : (size_t)(slash - path));
  text_add(&last, slash + 1);
  return open(folder.data, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int make_policy(struct bytes policy) {
  int fd = (int)syscall(SYS_memfd_create, "policy", (long)MFD_CLOEXEC);
  if (fd < 0) return -1;
  return write(fd, policy.data, policy.length) == (ssize_t)policy.length ? fd : -1;
}

static bool make_control(struct start_session *session) {
  int pair[2];
  if (syscall(SYS_socketpair, (long)AF_UNIX, (long)(SOCK_SEQPACKET | SOCK_CLOEXEC), 0L, pair) != 0) return false;
  session->control = pair[0];
  session->peer = pair[1];
  return true;
}

// The monitor is told by a signal when the service says something, or goes away. Not before it blocks signals.
static bool watch_control(const struct start_session *session) {
  return fcntl(session->control, F_SETOWN, (long)getpid()) == 0 &&
         fcntl(session->control, F_SETFL, (long)(O_ASYNC | O_NONBLOCK)) == 0;
}

static bool make_bus(struct start *start, int bus, struct failure *failure) {
  const char *host = start->plan.session.buses[bus];
  start->session.listeners[bus] = start->session.folders[bus] = -1;
  if (host == NULL) return true;
  char buffer[PLAN_PATH_MAX];
  struct text path = TEXT(buffer);
  text_add(&path, start->plan.instance.folder);
  text_add(&path, "/");
  text_add(&path, start->instance.number);
  text_add(&path, session_files[bus]);
  start->session.listeners[bus] = listen_at(path.data);
  if (start->session.listeners[bus] < 0) return fail(failure, path.data, "The path of a socket has at most 107 bytes.");
  start->session.folders[bus] = open_folder_of(host, start->session.names[bus], sizeof start->session.names[bus]);
  return start->session.folders[bus] >= 0 || fail(failure, host, NULL);
}

bool session_make(struct start *start, struct failure *failure) {
  struct start_session *session = &start->session;
  const char *socket = start->plan.session.socket;
  session->log = (start->plan.flags & PLAN_BUS_LOG) != 0;
  session->service = connect_to(SOCK_SEQPACKET, socket);
  if (session->service < 0) return fail(failure, socket, "Start the service with 'dowel session serve'.");
  session->run = open_folder_of(socket, session->socket, sizeof session->socket);
  session->policy = make_policy(start->plan.session.policy);
  session->adopted = (int)syscall(SYS_eventfd2, 0L, (long)O_CLOEXEC);
  if (session->run < 0 || session->policy < 0 || session->adopted < 0 || !make_control(session)) {
    return fail(failure, socket, NULL);
  }
  for (int bus = 0; bus < BUS_COUNT; bus++) {
    if (!make_bus(start, bus, failure)) return false;
  }
  trace_mark("make the bus sockets", NULL);
  return true;
}

static bool send_packet(int fd, const void *data, size_t size, const int *descriptors, size_t count) {
  struct control control = {.header = {.cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  struct iovec bytes = {(void *)(uintptr_t)data, size};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
  if (count > 0) {
    memcpy(control.descriptors, descriptors, count * sizeof(int));
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  }
  return syscall(SYS_sendmsg, (long)fd, &message, (long)(MSG_NOSIGNAL | MSG_DONTWAIT)) == (long)size;
}

static int open_namespace(pid_t init, const char *name) {
  char buffer[32];
  struct text path = TEXT(buffer);
  text_add(&path, "/proc/");
  text_add_number(&path, init);
  text_add(&path, "/ns/");
  text_add(&path, name);
  return open(path.data, O_RDONLY | O_CLOEXEC);
}

void session_adopt(struct start *start, pid_t init) {
  struct start_session *session = &start->session;
  if (start->plan.session.socket == NULL) return;
  session->users = open_namespace(init, "user");
  session->mounts = open_namespace(init, "mnt");
  static const uint64_t one = 1;
  // The init waits for this before it starts the app.
  if (write(session->adopted, &one, sizeof one) != (ssize_t)sizeof one) die(STEP_PROCESS, -1, errno, NULL, NULL);
}

void session_wait(const struct start *start) {
  uint64_t count;
  if (start->plan.session.socket == NULL) return;
  while (syscall(SYS_read, (long)start->session.adopted, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

// A message that does not go is tried again later, like one whose receiver went away.
void session_hand_over(struct start *start) {
  struct start_session *session = &start->session;
  struct packet packet = {.magic = "DOWELBUS", .version = 1, .flags = session->log ? LOG_FLAG : 0};
  int descriptors[DESCRIPTORS_MAX] = {session->policy, start->monitor, session->peer};
  size_t count = 3;
  if (session->log) descriptors[count++] = STDERR_FILENO;
  for (int bus = 0; bus < BUS_COUNT; bus++) {
    if (session->listeners[bus] < 0) continue;
    packet.buses |= 1U << bus;
    descriptors[count++] = session->listeners[bus];
  }
  struct text number = TEXT(packet.number);
  text_add(&number, start->instance.number);
  session->lost = !watch_control(session) || !send_packet(session->service, &packet, sizeof packet, descriptors, count);
  close(session->service);
  close(session->peer);
}

// Into the sandbox: its users, its files, and no rights there. What the monitor still needs of the host it holds open.
static bool enter_sandbox(struct start *start) {
  struct start_session *session = &start->session;
  if (session->inside) return true;
  if (syscall(SYS_setns, (long)session->users, (long)CLONE_NEWUSER) != 0) return false;
  if (syscall(SYS_setns, (long)session->mounts, (long)CLONE_NEWNS) != 0) return false;
  identity_drop_capabilities();
  // The change of rights has closed the monitor's /proc entry, where portals look, and forgotten whom it dies with.
  if (prctl(PR_SET_DUMPABLE, 1L, 0L, 0L, 0L) != 0) return false;
  if (session->dies && prctl(PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L) != 0) return false;
  session->inside = true;
  return true;
}

static int connect_within(int folder, int type, const char *name) {
  if (fchdir(folder) != 0) return -1;
  int fd = connect_to(type, name);
  int error = errno;
  if (chdir("/") != 0) error = errno;
  errno = error;
  return fd;
}

static void answer(struct start *start, uint8_t request) {
  struct start_session *session = &start->session;
  int fd = -1;
  for (int bus = 0; bus < BUS_COUNT; bus++) {
    if (request != 1U << bus || session->folders[bus] < 0 || !enter_sandbox(start)) continue;
    fd = connect_within(session->folders[bus], SOCK_STREAM, session->names[bus]);
  }
  uint8_t reply = fd < 0 ? 0 : request;
  send_packet(session->control, &reply, 1, &fd, fd < 0 ? 0 : 1);
  if (fd >= 0) close(fd);
}

void session_serve(struct start *start) {
  struct start_session *session = &start->session;
  while (start->plan.session.socket != NULL && !session->lost) {
    uint8_t request;
    long count = syscall(SYS_recvfrom, (long)session->control, &request, 1L, (long)MSG_DONTWAIT, 0L, 0L);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count == 1) {
      answer(start, request);
    } else {
      session->lost = true;
    }
  }
}

void session_retry(struct start *start) {
  struct start_session *session = &start->session;
  session->service = connect_within(session->run, SOCK_SEQPACKET, session->socket);
  if (session->service < 0) return;
  close(session->control);
  if (make_control(session)) session_hand_over(start);
}

size_t session_descriptors(const struct start *start, int *fds) {
  const struct start_session *session = &start->session;
  size_t count = 0;
  if (start->plan.session.socket == NULL) return 0;
  fds[count++] = start->monitor;
  fds[count++] = session->run;
  fds[count++] = session->policy;
  fds[count++] = session->control;
  fds[count++] = session->users;
  fds[count++] = session->mounts;
  if (session->log) fds[count++] = STDERR_FILENO;
  for (int bus = 0; bus < BUS_COUNT; bus++) {
    if (session->listeners[bus] < 0) continue;
    fds[count++] = session->listeners[bus];
    fds[count++] = session->folders[bus];
  }
  return count;
}
