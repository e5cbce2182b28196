// SPDX-License-Identifier: Apache-2.0
// A service and clients on a D-Bus socket, small enough not to be what is measured:
//   bus-peer serve SOCKET NAME                                     answers each call with its own body
//   bus-peer calls ROUNDS COUNT CLIENTS NAME SIZE SOCKET...        makes calls, one at a time from each client
//   bus-peer signals ROUNDS COUNT CLIENTS SENDER _ SOCKET...       signals from the socket SENDER reach each client
//   bus-peer hello SOCKET                                          greets the bus and ends
//   bus-peer relay SOCKET BUS                                      listens at SOCKET and moves bytes, no more: the floor
//                                                                  of whatever stands between a client and its bus
// Those in the middle take turns: in each round COUNT calls or signals by way of the first socket, then of the second and
// so on. They print a line for each round, with microseconds per call of one client's turn or per signal, by socket.
//   bus-peer portal SOCKET INTERFACE MEMBER COUNT [TEXT]...        calls a portal of the desktop, with texts as arguments
//   bus-peer spawn SOCKET COUNT                                    has `true` spawned, one after the other, to their ends
// These two print microseconds per call or spawn.
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, CLIENTS_MAX = 1024, SOCKETS_MAX = 4, CALL = 1, RETURN = 2, SIGNAL = 4, NO_REPLY = 1 };

struct peer {
  int fd;
  uint32_t serial;
  size_t used;
  uint8_t *in;
};

struct message {
  uint8_t type;
  uint32_t serial, body_length, length;
  const char *sender, *member;
  const uint8_t *body;
};

static _Noreturn void fail(const char *what) {
  perror(what);
  exit(1);
}

static void send_all(int fd, const void *data, size_t size) {
  for (const char *at = data; size > 0;) {
    ssize_t count = send(fd, at, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("send");
    at += count;
    size -= (size_t)count;
  }
}

static uint8_t *put_field(uint8_t *start, uint8_t *at, uint8_t code, char type, const char *text, uint32_t number) {
  while ((at - start) % 8 != 0) *at++ = 0;
  *at++ = code;
  *at++ = 1;
  *at++ = (uint8_t)type;
  *at++ = 0;
  if (type == 'u') return (uint8_t *)memcpy(at, &number, 4) + 4;
  uint32_t length = (uint32_t)strlen(text);
  if (type == 'g') {
    *at++ = (uint8_t)length;
  } else {
    memcpy(at, &length, 4);
    at += 4;
  }
  memcpy(at, text, length + 1);
  return at + length + 1;
}

// What calls and signals go to, or come from, besides a name.
struct object {
  const char *path, *interface;
};

static const struct object bus_object = {"/org/freedesktop/DBus", "org.freedesktop.DBus"};
static const struct object bench_object = {"/org/freedesktop/DBus", "org.example.Bench"};

// `body` is raw bytes, as the signature says; an answer has no object.
static void send_message(struct peer *peer, uint8_t type, const struct object *object, const char *destination,
                         const char *member, uint32_t reply, const char *signature, const uint8_t *body,
                         uint32_t body_length) {
  static uint8_t out[BUFFER];
  uint8_t *at = out + 16;
  if (object != NULL) {
    at = put_field(out, at, 1, 'o', object->path, 0);
    at = put_field(out, at, 2, 's', object->interface, 0);
    at = put_field(out, at, 3, 's', member, 0);
  }
  if (reply != 0) at = put_field(out, at, 5, 'u', NULL, reply);
  if (destination != NULL) at = put_field(out, at, 6, 's', destination, 0);
  if (body_length > 0) at = put_field(out, at, 8, 'g', signature, 0);
  uint32_t fields = (uint32_t)(at - out - 16), serial = ++peer->serial;
  while ((at - out) % 8 != 0) *at++ = 0;
  memcpy(out, (uint8_t[]){'l', type, type == CALL ? 0 : NO_REPLY, 1}, 4);
  memcpy(out + 4, &body_length, 4);
  memcpy(out + 8, &serial, 4);
  memcpy(out + 12, &fields, 4);
  memcpy(at, body, body_length);
  send_all(peer->fd, out, (size_t)(at - out) + body_length);
}

static uint32_t put_string(uint8_t *out, const char *text) {
  uint32_t length = (uint32_t)strlen(text);
  memcpy(out, &length, 4);
  memcpy(out + 4, text, length + 1);
  return length + 5;
}

static int parse(const uint8_t *data, size_t size, struct message *out) {
  uint32_t fields;
  if (size < 16) return 0;
  memset(out, 0, sizeof *out);
  out->type = data[1];
  memcpy(&out->body_length, data + 4, 4);
  memcpy(&out->serial, data + 8, 4);
  memcpy(&fields, data + 12, 4);
  uint32_t header = (16 + fields + 7) & ~7U;
  out->length = header + out->body_length;
  if (size < out->length) return 0;
  out->body = data + header;
  for (uint32_t at = 16; at < 16 + fields;) {
    at = (at + 7) & ~7U;
    uint8_t code = data[at], type = data[at + 2];
    uint32_t length;
    memcpy(&length, data + at + 4, 4);
    if (code == 3) out->member = (const char *)data + at + 8;
    if (code == 7) out->sender = (const char *)data + at + 8;
    at += type == 'g' ? 4U + 1U + data[at + 4] + 1U : type == 'u' ? 8U : 8U + length + 1U;
  }
  return 1;
}

// Receives once and hands over every whole message.
static void pump(struct peer *peer, void (*handle)(struct peer *, const struct message *)) {
  ssize_t count = recv(peer->fd, peer->in + peer->used, BUFFER - peer->used, 0);
  if (count < 0 && errno == EINTR) return;
  if (count <= 0) fail("recv");
  peer->used += (size_t)count;
  size_t at = 0;
  for (struct message message; parse(peer->in + at, peer->used - at, &message); at += message.length) {
    handle(peer, &message);
  }
  memmove(peer->in, peer->in + at, peer->used - at);
  peer->used -= at;
}

static int answered;
static void note_answer(struct peer *peer, const struct message *message) {
  (void)peer;
  if (message->type == 3) fprintf(stderr, "an error came\n"), exit(1);
  if (message->type == RETURN) answered++;
}

static void call_bus(struct peer *peer, const char *member, const char *text, int with_flags) {
  uint8_t body[512] = {0};
  uint32_t length = text == NULL ? 0 : put_string(body, text);
  if (with_flags) length = ((length + 3) & ~3U) + 4;
  send_message(peer, CALL, &bus_object, "org.freedesktop.DBus", member, 0, with_flags ? "su" : "s", body, length);
  for (answered = 0; answered == 0;) pump(peer, note_answer);
}

static struct peer connect_bus(const char *path) {
  struct peer peer = {.fd = socket(AF_UNIX, SOCK_STREAM, 0), .in = malloc(BUFFER)};
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  if (peer.fd < 0 || connect(peer.fd, (struct sockaddr *)&address, sizeof address) != 0) fail(path);
  char line[256], hex[64] = "", user[16];
  snprintf(user, sizeof user, "%u", getuid());
  for (size_t i = 0; user[i] != '\0'; i++) snprintf(hex + 2 * i, 3, "%02x", user[i]);
  int length = snprintf(line, sizeof line, "%cAUTH EXTERNAL %s\r\n", 0, hex);
  send_all(peer.fd, line, (size_t)length);
  if (recv(peer.fd, line, sizeof line, 0) < 2 || memcmp(line, "OK", 2) != 0) fail("authentication");
  send_all(peer.fd, "NEGOTIATE_UNIX_FD\r\n", 19);
  if (recv(peer.fd, line, sizeof line, 0) < 5 || memcmp(line, "AGREE", 5) != 0) fail("negotiation");
  send_all(peer.fd, "BEGIN\r\n", 7);
  call_bus(&peer, "Hello", NULL, 0);
  return peer;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void echo(struct peer *peer, const struct message *message) {
  if (message->type != CALL || message->sender == NULL) return;
  send_message(peer, RETURN, NULL, message->sender, NULL, message->serial, "ay", message->body, message->body_length);
}

static void poll_all(struct peer *peers, int clients, void (*handle)(struct peer *, const struct message *)) {
  static struct pollfd polled[CLIENTS_MAX];
  for (int i = 0; i < clients; i++) polled[i] = (struct pollfd){.fd = peers[i].fd, .events = POLLIN};
  if (poll(polled, (nfds_t)clients, 60000) <= 0) fail("poll");
  for (int i = 0; i < clients; i++) {
    if (polled[i].revents != 0) pump(&peers[i], handle);
  }
}

static const char *service;
static uint8_t *payload;
static uint32_t payload_length;
static int to_send, received;

static void next_call(struct peer *peer, const struct message *message) {
  if (message->type == 3) fprintf(stderr, "an error came\n"), exit(1);
  if (message->type != RETURN) return;
  received++;
  if (to_send-- > 0) send_message(peer, CALL, &bench_object, service, "Echo", 0, "ay", payload, payload_length);
}

static void count_signal(struct peer *peer, const struct message *message) {
  (void)peer;
  if (message->type == SIGNAL && message->member != NULL && strcmp(message->member, "Tick") == 0) received++;
}

static double run_calls(struct peer *peers, int count, int clients) {
  int total = count * clients;
  to_send = total - clients;
  received = 0;
  double start = now();
  for (int i = 0; i < clients; i++) {
    send_message(&peers[i], CALL, &bench_object, service, "Echo", 0, "ay", payload, payload_length);
  }
  while (received < total) poll_all(peers, clients, next_call);
  return (now() - start) / count;
}

static double run_signals(struct peer *sender, struct peer *peers, int count, int clients) {
  double start = now();
  received = 0;
  for (int sent = 0; sent < count; sent++) {
    send_message(sender, SIGNAL, &bench_object, NULL, "Tick", 0, "s", payload, 0);
    while (received < (sent + 1) * clients) poll_all(peers, clients, count_signal);
  }
  return (now() - start) / count;
}

static int take_turns(int calls, int rounds, int count, int clients, char **sockets, int paths) {
  static struct peer peers[SOCKETS_MAX][CLIENTS_MAX], senders[SOCKETS_MAX];
  for (int path = 0; path < paths; path++) {
    for (int i = 0; i < clients; i++) peers[path][i] = connect_bus(sockets[path]);
    if (calls) continue;
    // Each has a signal of its own, so that those who are not in turn hear nothing.
    senders[path] = connect_bus(service);
    char rule[128];
    snprintf(rule, sizeof rule, "type='signal',interface='org.example.Bench',sender='org.example.Sender.N%d'", path);
    for (int i = 0; i < clients; i++) call_bus(&peers[path][i], "AddMatch", rule, 0);
    snprintf(rule, sizeof rule, "org.example.Sender.N%d", path);
    call_bus(&senders[path], "RequestName", rule, 1);
    for (int i = 0; i < clients; i++) call_bus(&peers[path][i], "GetNameOwner", rule, 0);
  }
  for (int round = -1; round < rounds; round++) {
    for (int path = 0; path < paths; path++) {
      double one = calls ? run_calls(peers[path], count, clients) : run_signals(&senders[path], peers[path], count, clients);
      if (round >= 0) printf("%.2f%c", one, path + 1 < paths ? ' ' : '\n');
    }
  }
  return 0;
}

static void watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

static int open_socket(const char *path, int (*act)(int, const struct sockaddr *, socklen_t)) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || act(fd, (struct sockaddr *)&address, sizeof address) != 0) fail(path);
  return fd;
}

static _Noreturn void relay(const char *path, const char *bus) {
  static int others[4 * CLIENTS_MAX];
  static uint8_t buffer[BUFFER];
  int epoll = epoll_create1(0), listener = open_socket(path, bind);
  if (epoll < 0 || listen(listener, CLIENTS_MAX) != 0) fail(path);
  watch(epoll, listener);
  puts("ready");
  fflush(stdout);
  for (struct epoll_event event; epoll_wait(epoll, &event, 1, -1) > 0;) {
    int fd = event.data.fd;
    if (fd == listener) {
      int client = accept(listener, NULL, NULL), server = open_socket(bus, connect);
      if (client < 0 || client >= 4 * CLIENTS_MAX || server >= 4 * CLIENTS_MAX) fail("accept");
      others[client] = server;
      others[server] = client;
      watch(epoll, client);
      watch(epoll, server);
      continue;
    }
    ssize_t count = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count > 0) {
      send_all(others[fd], buffer, (size_t)count);
    } else if (count == 0 || errno != EAGAIN) {
      close(others[fd]);
      close(fd);
    }
  }
  fail("epoll_wait");
}

static void note_end(struct peer *peer, const struct message *message) {
  note_answer(peer, message);
  if (message->type == SIGNAL && message->member != NULL && strcmp(message->member, "SpawnExited") == 0) received++;
}

static void run_portal(struct peer *peer, const char *interface, const char *member, int count, char **texts,
                       int texts_count) {
  const struct object object = {"/org/freedesktop/portal/desktop", interface};
  uint8_t body[512] = {0};
  char signature[8] = "";
  uint32_t length = 0;
  for (int i = 0; i < texts_count; i++) {
    length = (length + 3) & ~3U;
    length += put_string(body + length, texts[i]);
    strcat(signature, "s");
  }
  double start = 0;
  for (int call = -count / 10; call < count; call++) {
    if (call == 0) start = now();
    send_message(peer, CALL, &object, "org.freedesktop.portal.Desktop", member, 0, signature, body, length);
    for (answered = 0; answered == 0;) pump(peer, note_answer);
  }
  printf("%.2f\n", (now() - start) / count);
}

static void run_spawns(struct peer *peer, int count) {
  static const struct object portal = {"/org/freedesktop/portal/Flatpak", "org.freedesktop.portal.Flatpak"};
  // ay cwd, aay argv, a{uh} fds, a{ss} envs, u flags, a{sv} options; the last begin at multiples of eight.
  static const uint32_t words[] = {2, '/', 9, 5, 'e' << 24 | 'u' << 16 | 'r' << 8 | 't', 0, 0, 0, 0, 0, 0, 0};
  call_bus(peer, "AddMatch", "type='signal',interface='org.freedesktop.portal.Flatpak'", 0);
  double start = 0;
  for (int spawn = -1; spawn < count; spawn++) {
    if (spawn == 0) start = now();
    received = 0;
    send_message(peer, CALL, &portal, "org.freedesktop.portal.Flatpak", "Spawn", 0, "ayaaya{uh}a{ss}ua{sv}",
                 (const uint8_t *)words, sizeof words);
    while (received == 0) pump(peer, note_end);
  }
  printf("%.2f\n", (now() - start) / count);
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "relay") == 0) relay(argv[2], argv[3]);
  if (argc == 4 && strcmp(argv[1], "serve") == 0) {
    struct peer peer = connect_bus(argv[2]);
    call_bus(&peer, "RequestName", argv[3], 1);
    puts("ready");
    fflush(stdout);
    for (;;) pump(&peer, echo);
  }
  if (argc == 3 && strcmp(argv[1], "hello") == 0) {
    connect_bus(argv[2]);
    return 0;
  }
  if (argc >= 6 && strcmp(argv[1], "portal") == 0) {
    struct peer peer = connect_bus(argv[2]);
    run_portal(&peer, argv[3], argv[4], atoi(argv[5]), argv + 6, argc - 6);
    return 0;
  }
  if (argc == 4 && strcmp(argv[1], "spawn") == 0) {
    struct peer peer = connect_bus(argv[2]);
    run_spawns(&peer, atoi(argv[3]));
    return 0;
  }
  if (argc < 8 || argc > 7 + SOCKETS_MAX) return 2;
  int calls = strcmp(argv[1], "calls") == 0, clients = atoi(argv[4]);
  uint32_t size = (uint32_t)atoi(argv[6]);
  if ((!calls && strcmp(argv[1], "signals") != 0) || clients < 1 || clients > CLIENTS_MAX || size > BUFFER / 2) return 2;
  service = argv[5];
  payload = calloc(1, size + 4);
  memcpy(payload, &size, 4);
  payload_length = size == 0 ? 0 : size + 4;
  return take_turns(calls, atoi(argv[2]), atoi(argv[3]), clients, argv + 7, argc - 7);
}
