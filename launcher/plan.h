// SPDX-License-Identifier: Apache-2.0
// The plan's bytes, as src/sandbox/plan/ writes them, and the view of them that the rest of the launcher uses.
// All numbers are little endian, all offsets count from the first byte, reserved and unused fields are zero.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_MAGIC "DOWELPLN"
enum {
  PLAN_VERSION = 6,
  PLAN_BYTES_MAX = 16 * 1024 * 1024,
  PLAN_WORDS_MAX = 1024,
  PLAN_RECORD_MAX = 8192,
  PLAN_LOWERS_MIN = 2,
  PLAN_LOWERS_MAX = 16,
  PLAN_HELD_MAX = 4,
  PLAN_MOUNTS_MAX = 1024,
  // Each holds a descriptor until the root is complete, and 1024 of them is the usual limit.
  PLAN_BINDS_MAX = 512,
  PLAN_VARIABLES_MAX = 4096,
  PLAN_FILTER_MAX = 4096,
  PLAN_PATH_MAX = 4095,
  PLAN_NAME_MAX = 255,
  PLAN_HOSTNAME_MAX = 64,
  PLAN_INFO_MAX = 1024 * 1024,
  PLAN_TEXT_MAX = 1020,
  PLAN_SETTINGS_MAX = 64,
  PLAN_RULES_MAX = 512,
  PLAN_NAMESPACES_MAX = 65535,
};

enum plan_flag {
  PLAN_NETWORK = 1,
  PLAN_IPC = 2,
  PLAN_CLEAR_ENVIRONMENT = 4,
  PLAN_DIE_WITH_PARENT = 8,
  PLAN_CGROUP_REQUIRED = 16,
  PLAN_NESTED = 32,
  PLAN_BUS_LOG = 64,
  PLAN_FLAGS_ALL = 127,
};

enum observation_kind {
  OBSERVE_ABSENT = 1,
  OBSERVE_PRESENT = 2,
  OBSERVE_INODE = 3,
  OBSERVE_VARIABLE = 4,
  OBSERVE_NO_VARIABLE = 5,
};

struct observation {
  uint32_t kind;
  uint32_t name;
  uint32_t value;
  uint32_t type;
  uint64_t device;
  uint64_t inode;
  uint64_t size;
  int64_t mtime;
  int64_t ctime;
};

enum mount_kind {
  MOUNT_BIND = 1,
  MOUNT_TMPFS = 2,
  MOUNT_PROC = 3,
  MOUNT_DEV = 4,
  MOUNT_DIRECTORY = 5,
  MOUNT_SYMLINK = 6,
  MOUNT_FILE = 7,
  MOUNT_SEAL = 8,
  // The instance's folder at TARGET/INSTANCE, and the file in it that is the sandbox's `/.flatpak-info` at TARGET.
  MOUNT_INSTANCE = 9,
  MOUNT_INFO = 10,
  // The socket of the bus whose number is in `data`.
  MOUNT_BUS = 11,
};

enum bind_flag {
  BIND_READ_ONLY = 1,
  BIND_RECURSIVE = 2,
  BIND_DEVICES = 4,
  BIND_NO_SYMLINKS = 8,
  BIND_OPTIONAL = 16,
  // The source is a compositor's socket; see wayland.c.
  BIND_WAYLAND = 32,
  BIND_FLAGS_ALL = 63,
};

struct mount_operation {
  uint32_t kind;
  uint32_t flags;
  uint32_t target;
  // What is bound, or where the symbolic link leads.
  uint32_t source;
  uint32_t mode;
  uint32_t data;
  uint32_t data_length;
  uint32_t reserved;
  uint64_t size;
};

struct plan_section {
  uint32_t offset;
  uint32_t count;
};

enum bounded_namespace {
  BOUND_USER,
  BOUND_PID,
  BOUND_MOUNT,
  BOUND_IPC,
  BOUND_UTS,
  BOUND_NETWORK,
  BOUND_CGROUP,
  BOUND_TIME,
  BOUND_COUNT,
};

enum { SCOPE_ABSTRACT_SOCKETS = 1, SCOPE_SIGNALS = 2, SCOPES_ALL = 3 };

struct landlock_rule {
  uint32_t path;
  uint32_t reserved;
  uint64_t access;
};

// All zeros for a plan without instance.
struct instance_fields {
  uint32_t folder;
  uint32_t counter;
  uint32_t id;
  uint32_t ref;
  uint32_t image;
  // Text of the sandbox's `/.flatpak-info` before and after the number of the instance; counted in bytes.
  struct plan_section before;
  struct plan_section after;
};

enum plan_bus { BUS_SESSION, BUS_SYSTEM, BUS_A11Y, BUS_PULSE, BUS_PIPEWIRE, BUS_COUNT };

// All zeros for a plan without buses.
struct session_fields {
  // The socket of the session service.
  uint32_t socket;
  // The socket of each bus on the host; 0 for one that the sandbox does not get.
  uint32_t buses[BUS_COUNT];
  // What the service is to know; counted in bytes.
  struct plan_section policy;
};

struct plan_header {
  char magic[8];
  uint32_t version;
  uint32_t length;
  uint32_t flags;
  uint32_t hostname;
  uint32_t cwd;
  uint32_t reserved;
  struct plan_section key;
  struct plan_section record;
  struct plan_section lowers;
  struct plan_section mounts;
  struct plan_section set;
  struct plan_section unset;
  struct plan_section command;
  // Counted in instructions.
  struct plan_section filter;
  // Counted in bytes; the last one is NUL. Offset 0 means that there is no string.
  struct plan_section strings;
  struct plan_section held;
  struct instance_fields instance;
  // Where cgroup2 is mounted; 0 for no control group.
  uint32_t cgroup;
  // Files of the group with what is written to them: `memory.max=4096`.
  struct plan_section settings;
  struct plan_section rules;
  uint64_t handled;
  uint32_t scopes;
  uint32_t bounds[BOUND_COUNT];
  struct session_fields session;
};

struct words {
  const uint32_t *offsets;
  uint32_t count;
};

struct bytes {
  const char *data;
  uint32_t length;
};

// `folder` is null for a plan without instance.
struct plan_instance {
  const char *folder;
  const char *counter;
  const char *id;
  const char *ref;
  const char *image;
  struct bytes before;
  struct bytes after;
};

// `socket` is null for a plan without buses.
struct plan_session {
  const char *socket;
  const char *buses[BUS_COUNT];
  struct bytes policy;
};

struct plan {
  const char *base;
  size_t length;
  uint32_t flags;
  const char *hostname;
  const char *cwd;
  struct words key;
  struct words lowers;
  struct words command;
  // Folders that must stay while the sandbox runs.
  struct words held;
  // Sorted by name: `NAME=VALUE` and `NAME`.
  struct words set;
  struct words unset;
  const struct observation *record;
  uint32_t record_count;
  const struct mount_operation *mounts;
  uint32_t mount_count;
  const void *filter;
  uint32_t filter_count;
  struct plan_instance instance;
  // Null where the sandbox stays in the caller's control group.
  const char *cgroup;
  struct plan_session session;
  struct words settings;
  // Rights on files that only the rules give; 0 for no Landlock.
  uint64_t handled;
  uint32_t scopes;
  const struct landlock_rule *rules;
  uint32_t rule_count;
  // How many namespaces the app may make, with PLAN_NESTED.
  const uint32_t *bounds;
  // Not from the bytes: the sandbox comes into the user namespace of one that runs, see join.c.
  bool joined;
};

struct plan_error {
  const char *reason;
  // Index within its section, or -1.
  int index;
};

// Checks every byte that the launcher will rely on. Pure: reads `data` (aligned to 8 bytes) and writes only `out` and
// `error`. Returns 0, or -1 with the reason; `out` keeps pointers into `data`.
int plan_parse(const uint8_t *data, size_t size, struct plan *out, struct plan_error *error);

static inline const char *plan_string(const struct plan *plan, uint32_t offset) { return plan->base + offset; }

static inline const char *plan_word(const struct plan *plan, struct words words, uint32_t index) {
  return plan->base + words.offsets[index];
}

// Whether names can be made at `path` when operation `index` runs: the last mount before it that covers the path is a
// tmpfs of this plan which is not sealed.
bool plan_can_create(const struct plan *plan, uint32_t index, const char *path);

// Orders two variables by name, which ends at `=` or at the end.
int plan_compare_names(const char *left, const char *right);
