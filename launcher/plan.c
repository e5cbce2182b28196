// SPDX-License-Identifier: Apache-2.0
#include "plan_parser.h"

#include <assert.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "plans are little endian");
static_assert(sizeof(struct plan_header) == 248, "layout of the header");
static_assert(sizeof(struct observation) == 56, "layout of an observation");
static_assert(sizeof(struct mount_operation) == 40, "layout of a mount operation");

bool parser_refuse(struct parser *parser, const char *reason, int index) {
  parser->error->reason = reason;
  parser->error->index = index;
  return false;
}

// A section of `size` bytes each that lies inside the plan; all of them start at a multiple of 8.
bool parser_section(struct parser *parser, struct plan_section section, size_t size, uint32_t max) {
  if (section.count > max) return parser_refuse(parser, "a section has too many entries", -1);
  if (section.offset % 8 != 0 || section.offset > parser->plan->length ||
      section.count * size > parser->plan->length - section.offset) {
    return parser_refuse(parser, "a section is out of bounds", -1);
  }
  return true;
}

// Offsets must point into the string section. It ends with NUL, so every string in it ends too.
const char *parser_string(const struct parser *parser, uint32_t offset) {
  if (offset < parser->strings.offset || offset - parser->strings.offset >= parser->strings.count) return NULL;
  return parser->plan->base + offset;
}

// Absolute, without empty parts, `.`, `..`, or a slash at the end. `/` itself only where the caller allows it.
bool parser_is_normal(const char *path, bool root_allowed) {
  size_t length = strnlen(path, PLAN_PATH_MAX + 1);
  if (length == 0 || length > PLAN_PATH_MAX || path[0] != '/') return false;
  if (length == 1) return root_allowed;
  const char *name = path + 1;
  for (;;) {
    size_t size = strcspn(name, "/");
    if (size == 0 || size > PLAN_NAME_MAX) return false;
    if (name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.'))) return false;
    if (name[size] == '\0') return true;
    name += size + 1;
  }
}

bool parser_words(struct parser *parser, struct plan_section section, uint32_t max, struct words *out) {
  if (!parser_section(parser, section, sizeof(uint32_t), max)) return false;
  out->offsets = (const uint32_t *)(const void *)(parser->plan->base + section.offset);
  out->count = section.count;
  for (uint32_t i = 0; i < out->count; i++) {
    if (parser_string(parser, out->offsets[i]) == NULL) return parser_refuse(parser, "a string is out of bounds", (int)i);
  }
  return true;
}

int plan_compare_names(const char *left, const char *right) {
  size_t i = 0;
  while (left[i] == right[i] && left[i] != '\0' && left[i] != '=') i++;
  unsigned char a = left[i] == '=' ? 0 : (unsigned char)left[i];
  unsigned char b = right[i] == '=' ? 0 : (unsigned char)right[i];
  return a - b;
}

static bool check_variables(struct parser *parser, struct words words, bool with_value) {
  for (uint32_t i = 0; i < words.count; i++) {
    const char *word = plan_word(parser->plan, words, i);
    size_t name = strcspn(word, "=");
    if (name == 0 || (word[name] == '=') != with_value) return parser_refuse(parser, "a variable is malformed", (int)i);
    if (i > 0 && plan_compare_names(plan_word(parser->plan, words, i - 1), word) >= 0) {
      return parser_refuse(parser, "variables are not sorted by name", (int)i);
    }
  }
  return true;
}

static bool check_observation(struct parser *parser, const struct observation *one, int index) {
  const char *name = parser_string(parser, one->name);
  if (name == NULL) return parser_refuse(parser, "the name of an observation is out of bounds", index);
  bool is_path = one->kind != OBSERVE_VARIABLE && one->kind != OBSERVE_NO_VARIABLE;
  if (is_path ? !parser_is_normal(name, true) : (name[0] == '\0' || strchr(name, '=') != NULL)) {
    return parser_refuse(parser, "the name of an observation is malformed", index);
  }
  bool no_times = (one->size | (uint64_t)one->mtime | (uint64_t)one->ctime) == 0;
  bool no_file = (one->type | one->device | one->inode) == 0 && no_times;
  switch ((enum observation_kind)one->kind) {
    case OBSERVE_ABSENT:
    case OBSERVE_NO_VARIABLE:
      return (no_file && one->value == 0) || parser_refuse(parser, "an observation has fields it must not have", index);
    case OBSERVE_INODE:
      return (no_times && one->value == 0) || parser_refuse(parser, "an observation has fields it must not have", index);
    case OBSERVE_PRESENT:
      return one->value == 0 || parser_refuse(parser, "an observation has fields it must not have", index);
    case OBSERVE_VARIABLE:
      if (!no_file) return parser_refuse(parser, "an observation has fields it must not have", index);
      return parser_string(parser, one->value) != NULL || parser_refuse(parser, "a string is out of bounds", index);
  }
  return parser_refuse(parser, "an observation is of an unknown kind", index);
}

static bool is_mount(const struct mount_operation *operation) { return operation->kind <= MOUNT_DEV; }

// Whether `path` is `folder` or lies below it.
static bool is_covered(const char *folder, const char *path) {
  size_t length = strlen(folder);
  return strncmp(folder, path, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static bool is_creatable(const struct plan *plan, uint32_t index, const char *path, bool below) {
  for (uint32_t i = index; i-- > 0;) {
    const struct mount_operation *earlier = &plan->mounts[i];
    const char *target = plan_string(plan, earlier->target);
    if (earlier->kind == MOUNT_SEAL && is_covered(target, path)) return false;
    if (is_mount(earlier) && is_covered(target, path)) {
      return (earlier->kind == MOUNT_TMPFS || earlier->kind == MOUNT_DEV) && (below || strcmp(target, path) != 0);
    }
  }
  return false;
}

bool plan_can_create(const struct plan *plan, uint32_t index, const char *path) {
  return is_creatable(plan, index, path, false);
}

// A seal needs a mount of this plan exactly at its target that nothing lies over, and that is there for certain.
static bool can_seal(const struct plan *plan, uint32_t index, const char *path) {
  for (uint32_t i = index; i-- > 0;) {
    const char *target = plan_string(plan, plan->mounts[i].target);
    bool optional = plan->mounts[i].kind == MOUNT_BIND && (plan->mounts[i].flags & BIND_OPTIONAL) != 0;
    if (is_mount(&plan->mounts[i]) && is_covered(target, path)) return strcmp(target, path) == 0 && !optional;
  }
  return false;
}

// Fields that a kind does not use are zero: one plan has one encoding.
static bool has_only(const struct mount_operation *one, bool source, bool mode, bool data, bool size) {
  return (one->kind == MOUNT_BIND || one->flags == 0) && (source || one->source == 0) && (mode || one->mode == 0) &&
         (data || (one->data == 0 && one->data_length == 0)) && (size || one->size == 0) && one->reserved == 0;
}

static bool check_bind(struct parser *parser, const struct mount_operation *one, int index) {
  if (!has_only(one, true, false, false, false) || (one->flags & ~(uint32_t)BIND_FLAGS_ALL) != 0) {
    return parser_refuse(parser, "a bind has unknown flags or fields", index);
  }
  const char *source = parser_string(parser, one->source);
  if (source == NULL || !parser_is_normal(source, true)) {
    return parser_refuse(parser, "the source of a bind is not an absolute, normal path", index);
  }
  return true;
}

static bool check_symlink(struct parser *parser, const struct mount_operation *one, int index) {
  const char *to = parser_string(parser, one->source);
  if (!has_only(one, true, false, false, false) || to == NULL) return parser_refuse(parser, "a symlink is malformed", index);
  size_t length = strnlen(to, PLAN_PATH_MAX + 1);
  return (length > 0 && length <= PLAN_PATH_MAX) || parser_refuse(parser, "a symlink leads to a bad path", index);
}

static bool check_file(struct parser *parser, const struct mount_operation *one, int index) {
  size_t length = parser->plan->length;
  bool inside = one->data <= length && one->data_length <= length - one->data;
  return (has_only(one, false, true, true, false) && one->mode <= 0777 && inside) ||
         parser_refuse(parser, "a file is malformed or its data is out of bounds", index);
}

static bool check_fields(struct parser *parser, const struct mount_operation *one, int index) {
  switch ((enum mount_kind)one->kind) {
    case MOUNT_BIND:
      return check_bind(parser, one, index);
    case MOUNT_SYMLINK:
      return check_symlink(parser, one, index);
    case MOUNT_FILE:
      return check_file(parser, one, index);
    case MOUNT_TMPFS:
      return (has_only(one, false, true, false, true) && one->mode <= 01777 && one->size <= INT64_MAX) ||
             parser_refuse(parser, "a tmpfs has unknown fields", index);
    case MOUNT_DIRECTORY:
      return (has_only(one, false, true, false, false) && one->mode <= 01777) ||
             parser_refuse(parser, "a directory has unknown fields", index);
    case MOUNT_PROC:
    case MOUNT_DEV:
    case MOUNT_SEAL:
    case MOUNT_INSTANCE:
    case MOUNT_INFO:
      return has_only(one, false, false, false, false) || parser_refuse(parser, "a mount has unknown fields", index);
    case MOUNT_BUS:
      return (has_only(one, false, false, true, false) && one->data_length == 0 && one->data < BUS_COUNT &&
              parser->plan->session.buses[one->data] != NULL) ||
             parser_refuse(parser, "a mount shows a bus that there is not", index);
  }
  return parser_refuse(parser, "a mount operation is of an unknown kind", index);
}

static bool check_mount(struct parser *parser, uint32_t index) {
  const struct plan *plan = parser->plan;
  const struct mount_operation *one = &plan->mounts[index];
  const char *target = parser_string(parser, one->target);
  if (target == NULL || !parser_is_normal(target, false)) {
    return parser_refuse(parser, "a target is not an absolute, normal path", (int)index);
  }
  if (!check_fields(parser, one, (int)index)) return false;
  bool creates = one->kind == MOUNT_DIRECTORY || one->kind == MOUNT_SYMLINK || one->kind == MOUNT_FILE ||
                 one->kind == MOUNT_INSTANCE;
  if (creates && !is_creatable(plan, index, target, one->kind == MOUNT_INSTANCE)) {
    return parser_refuse(parser, "a name would be made outside the plan's own tmpfs", (int)index);
  }
  if ((one->kind == MOUNT_INSTANCE || one->kind == MOUNT_INFO) && plan->instance.folder == NULL) {
    return parser_refuse(parser, "there is no instance to show", (int)index);
  }
  if (one->kind == MOUNT_SEAL && !can_seal(plan, index, target)) {
    return parser_refuse(parser, "a seal is not on a mount of this plan", (int)index);
  }
  return true;
}

static bool check_mounts(struct parser *parser, struct plan_section section) {
  if (!parser_section(parser, section, sizeof(struct mount_operation), PLAN_MOUNTS_MAX)) return false;
  struct plan *plan = parser->plan;
  plan->mounts = (const struct mount_operation *)(const void *)(plan->base + section.offset);
  plan->mount_count = section.count;
  uint32_t binds = 0;
  for (uint32_t i = 0; i < section.count; i++) {
    if (!check_mount(parser, i)) return false;
    binds += plan->mounts[i].kind == MOUNT_BIND;
  }
  return binds <= PLAN_BINDS_MAX || parser_refuse(parser, "there are too many binds", -1);
}

static bool check_record(struct parser *parser, struct plan_section section) {
  if (!parser_section(parser, section, sizeof(struct observation), PLAN_RECORD_MAX)) return false;
  struct plan *plan = parser->plan;
  plan->record = (const struct observation *)(const void *)(plan->base + section.offset);
  plan->record_count = section.count;
  for (uint32_t i = 0; i < section.count; i++) {
    if (!check_observation(parser, &plan->record[i], (int)i)) return false;
  }
  return true;
}

static bool check_paths(struct parser *parser, struct words paths) {
  for (uint32_t i = 0; i < paths.count; i++) {
    if (!parser_is_normal(plan_word(parser->plan, paths, i), true)) {
      return parser_refuse(parser, "a folder is not an absolute, normal path", (int)i);
    }
  }
  return true;
}

static bool check_folders(struct parser *parser, const struct plan_header *header) {
  struct plan *plan = parser->plan;
  if (!parser_words(parser, header->lowers, PLAN_LOWERS_MAX, &plan->lowers)) return false;
  if (plan->lowers.count < PLAN_LOWERS_MIN) return parser_refuse(parser, "the root needs at least two folders", -1);
  if (!parser_words(parser, header->held, PLAN_HELD_MAX, &plan->held)) return false;
  return check_paths(parser, plan->lowers) && check_paths(parser, plan->held);
}

static bool check_scalars(struct parser *parser, const struct plan_header *header) {
  struct plan *plan = parser->plan;
  plan->flags = header->flags;
  plan->hostname = header->hostname == 0 ? NULL : parser_string(parser, header->hostname);
  plan->cwd = header->cwd == 0 ? NULL : parser_string(parser, header->cwd);
  if ((header->flags & ~(uint32_t)PLAN_FLAGS_ALL) != 0 || header->reserved != 0) {
    return parser_refuse(parser, "the header has unknown flags", -1);
  }
  if ((header->hostname != 0 && plan->hostname == NULL) || (header->cwd != 0 && plan->cwd == NULL)) {
    return parser_refuse(parser, "a string is out of bounds", -1);
  }
  if (plan->hostname != NULL) {
    size_t length = strnlen(plan->hostname, PLAN_HOSTNAME_MAX + 1);
    if (length == 0 || length > PLAN_HOSTNAME_MAX) return parser_refuse(parser, "the host name is malformed", -1);
  }
  if (plan->cwd != NULL && !parser_is_normal(plan->cwd, true)) {
    return parser_refuse(parser, "the working folder is not an absolute, normal path", -1);
  }
  return true;
}

static bool check_strings(struct parser *parser, struct plan_section section) {
  if (!parser_section(parser, section, 1, PLAN_BYTES_MAX)) return false;
  if (section.count == 0 || parser->plan->base[section.offset + section.count - 1] != '\0') {
    return parser_refuse(parser, "the strings do not end with NUL", -1);
  }
  parser->strings = section;
  return true;
}

static bool check_all(struct parser *parser, const struct plan_header *header) {
  struct plan *plan = parser->plan;
  if (!check_strings(parser, header->strings) || !check_scalars(parser, header)) return false;
  if (!parser_words(parser, header->key, PLAN_WORDS_MAX, &plan->key)) return false;
  if (!parser_words(parser, header->command, PLAN_WORDS_MAX, &plan->command)) return false;
  if (plan->command.count == 0 || plan_word(plan, plan->command, 0)[0] == '\0') {
    return parser_refuse(parser, "there is no command", -1);
  }
  if (!check_folders(parser, header)) return false;
  if (!parser_words(parser, header->set, PLAN_VARIABLES_MAX, &plan->set)) return false;
  if (!parser_words(parser, header->unset, PLAN_VARIABLES_MAX, &plan->unset)) return false;
  if (!check_variables(parser, plan->set, true) || !check_variables(parser, plan->unset, false)) return false;
  if (!parser_section(parser, header->filter, 8, PLAN_FILTER_MAX)) return false;
  plan->filter = plan->base + header->filter.offset;
  plan->filter_count = header->filter.count;
  if (!parser_extras(parser, header)) return false;
  return check_record(parser, header->record) && check_mounts(parser, header->mounts);
}

int plan_parse(const uint8_t *data, size_t size, struct plan *out, struct plan_error *error) {
  *out = (struct plan){.base = (const char *)data, .length = size};
  struct parser parser = {.plan = out, .error = error};
  if (size < sizeof(struct plan_header) || size > PLAN_BYTES_MAX || (uintptr_t)data % 8 != 0) {
    parser_refuse(&parser, "the length is wrong", -1);
    return -1;
  }
  const struct plan_header *header = (const struct plan_header *)(const void *)data;
  if (memcmp(header->magic, PLAN_MAGIC, sizeof header->magic) != 0 || header->version != PLAN_VERSION) {
    parser_refuse(&parser, "it is not a plan of this version", -1);
    return -1;
  }
  if (header->length != size) {
    parser_refuse(&parser, "the length is wrong", -1);
    return -1;
  }
  return check_all(&parser, header) ? 0 : -1;
}
