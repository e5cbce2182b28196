// SPDX-License-Identifier: Apache-2.0
// Carrying out a plan. Each function belongs to one file; together they are the sandbox.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "fail.h"
#include "passed.h"
#include "plan.h"

// What tells others of a running sandbox.
struct start_instance {
  // Its number in decimal; empty for a plan without instance.
  char number[24];
  // The folder of all instances, the one of this, and the file in it whose lock says that it lives.
  int parent;
  int folder;
  int lock;
};

// The sandbox's control group.
struct start_group {
  // -1 for none.
  int folder;
  int parent;
  char name[32];
  // Whether what happened on its limits is told at the end.
  bool limited;
};

// The running sandbox that this one joins; see join.c.
struct start_parent {
  // Its pid namespace.
  int pids;
  // Whether that is also this one's.
  bool shared;
};

// What the sandbox gets for the bind that is marked as a Wayland socket.
enum wayland_state { WAYLAND_PLAIN, WAYLAND_CONTEXT, WAYLAND_NONE };

struct start_wayland {
  enum wayland_state state;
  // With a context, the compositor forgets it when this descriptor closes.
  int life;
};

// The buses of the sandbox. Without them the plan's `session.socket` is null.
struct start_session {
  // To the service, until the message is sent; and the service's end of the control socket.
  int service;
  int peer;
  int control;
  int policy;
  // The folder of the service's socket, and its name there; the same of each bus. -1 for a bus that there is not.
  int run;
  char socket[108];
  int folders[BUS_COUNT];
  char names[BUS_COUNT][108];
  int listeners[BUS_COUNT];
  bool log;
  // The service has gone, or did not take the message.
  bool lost;
  // The monitor is in the sandbox's namespaces.
  bool inside;
  bool dies;
  // The sandbox's user and mount namespaces. The init closes itself to everybody once they are open.
  int users;
  int mounts;
  int adopted;
};

// Everything that the processes of one start share. Copied by clone, never changed afterwards.
struct start {
  struct plan plan;
  // The buffer that the plan points into.
  void *buffer;
  // The caller's further arguments, ended by null.
  char **arguments;
  // The caller's folder, or empty where it has none.
  char cwd[PLAN_PATH_MAX + 1];
  // What the caller had, given back to the app.
  sigset_t signals;
  mode_t mask;
  // Who the caller is; a new namespace does not know it before it is mapped.
  uid_t user;
  gid_t group;
  // One descriptor for each of the plan's held folders.
  int held[PLAN_HELD_MAX];
  // Tells the init whether the monitor still lives.
  int monitor;
  struct start_instance instance;
  struct start_group cgroup;
  struct start_wayland wayland;
  struct start_session session;
  struct start_parent parent;
  struct start_passed passed;
};

// Why a start could not be prepared; nothing of it is left then.
struct failure {
  enum step step;
  int error;
  const char *subject;
  const char *hint;
};

// start.c: reads and checks a plan; the descriptor is closed.
enum plan_reading { PLAN_OK, PLAN_UNREADABLE, PLAN_REFUSED };
enum plan_reading plan_read(int fd, struct start *start, struct plan_error *error);
void plan_forget(struct start *start);

// prepare.c: takes everything on the host that the sandbox needs while it runs, before its first process is there.
bool prepare_start(struct start *start, struct failure *failure);

// held.c: opens and locks the plan's held folders; false with errno where one is gone.
bool held_take(struct start *start);
// Closes all descriptors but those that the monitor needs to the end.
void held_close_others(const struct start *start);

// instance.c: the folder that says what runs. The init completes it with what only it knows.
bool instance_make(struct start *start, struct failure *failure);
void instance_name_group(const struct start *start, const char *path);
void instance_describe(const struct start *start);
void instance_remove(const struct start *start);

// cgroup.c
bool cgroup_make(struct start *start, struct failure *failure);
void cgroup_tell_limits(const struct start *start);
void cgroup_remove(const struct start *start);
// Ends all that is in it, and waits until it is empty.
void cgroup_end(const struct start *start);

// wayland.c: asks the compositor for a socket of the instance's own, in its folder.
void wayland_prepare(struct start *start);

// session.c
enum { SESSION_DESCRIPTORS_MAX = 7 + 2 * BUS_COUNT };
// Files in the instance's folder, with a slash before.
extern const char *const session_files[BUS_COUNT];
bool session_make(struct start *start, struct failure *failure);
// In the monitor, as soon as there is an init; and in the init, which must not go on before.
void session_adopt(struct start *start, pid_t init);
void session_wait(const struct start *start);
void session_hand_over(struct start *start);
// What the service asks for; and, where it was lost, another try to reach it.
void session_serve(struct start *start);
void session_retry(struct start *start);
// What the monitor needs of it to the end; returns how many.
size_t session_descriptors(const struct start *start, int *fds);

// landlock.c
void landlock_restrict(const struct plan *plan);

// join.c: starts the init in the namespaces of `start->parent`; as fork(2).
pid_t join_start(const struct start *start, unsigned long flags);

// monitor.c: starts the sandbox and ends with the app's exit code.
_Noreturn void monitor_run(struct start *start);

// enter.c: runs the plan's command in the sandbox of a running process; of the plan only command, environment, folder and
// filter count. `group` is the sandbox's control group, or null.
_Noreturn void enter_run(struct start *start, pid_t pid, const char *group);

// init.c: the first process of the sandbox.
_Noreturn void init_run(struct start *start);

// identity.c
void identity_map(uid_t user, gid_t group);
void identity_drop_capabilities(void);
void identity_check(const struct plan *plan);

// network.c
void network_raise_loopback(void);

// root.c: mounts the overlay over the host's root, and later makes it the only one.
int root_mount(const struct plan *plan);
void root_enter(int root);

// sources.c: one detached mount for each bind of the plan, -1 for an optional one that is missing.
struct sources {
  int fds[PLAN_MOUNTS_MAX];
};
void sources_open(const struct start *start, struct sources *sources);

// mounts.c
void mounts_apply(const struct start *start, const struct sources *sources, int root);

// targets.c: paths below the new root, never through a symbolic link.
int target_open(int root, const char *path, uint64_t flags);
int target_open_parent(int root, const char *path, const char **name);

// special.c: the two file systems that need more than one mount. `operation` is for messages.
int special_new_mount(const char *type, const char *const options[][2], unsigned attributes, int operation);
void special_mount_proc(const struct plan *plan, int point, const char *target, int operation);
void special_mount_dev(int point, const char *target, int operation);
// Bounds the namespaces below this one by the plan, by default to none. `proc` is a procfs, or -1 to take one for the
// moment.
void special_bound_namespaces(const struct plan *plan, int proc);

// app.c
_Noreturn void app_execute(const struct start *start);
