// SPDX-License-Identifier: Apache-2.0
// The other half of the plan's check: what not every plan has.
#include <assert.h>
#include <string.h>

#include "plan_parser.h"

static_assert(offsetof(struct plan_header, instance) == 112, "layout of the header");
static_assert(offsetof(struct plan_header, bounds) == 180, "layout of the header");
static_assert(offsetof(struct plan_header, session) == 212, "layout of the header");
static_assert(sizeof(struct landlock_rule) == 16, "layout of a rule");

// The name of one file: what the launcher puts below a folder must not lead elsewhere.
static bool is_simple_name(const char *name, size_t length) {
  if (length == 0 || length > PLAN_NAME_MAX || name[0] == '.') return false;
  for (size_t i = 0; i < length; i++) {
    char byte = name[i];
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
    if (!letter && byte != '_' && byte != '-' && byte != '.') return false;
  }
  return true;
}

static bool read_path(struct parser *parser, uint32_t offset, const char **out) {
  *out = parser_string(parser, offset);
  if (*out != NULL && parser_is_normal(*out, false)) return true;
  return parser_refuse(parser, "a path of the instance is not absolute and normal", -1);
}

static bool read_text(struct parser *parser, uint32_t offset, const char **out) {
  *out = parser_string(parser, offset);
  if (*out != NULL && strnlen(*out, PLAN_TEXT_MAX + 1) <= PLAN_TEXT_MAX) return true;
  return parser_refuse(parser, "a text of the instance is out of bounds", -1);
}

static bool read_bytes(struct parser *parser, struct plan_section section, struct bytes *out) {
  if (!parser_section(parser, section, 1, PLAN_INFO_MAX)) return false;
  *out = (struct bytes){parser->plan->base + section.offset, section.count};
  return true;
}

static bool read_instance(struct parser *parser, const struct instance_fields *fields) {
  static const struct instance_fields none;
  if (memcmp(fields, &none, sizeof none) == 0) return true;
  struct plan_instance *out = &parser->plan->instance;
  if (!read_text(parser, fields->id, &out->id) || !read_text(parser, fields->ref, &out->ref) ||
      !read_text(parser, fields->image, &out->image) || !read_bytes(parser, fields->before, &out->before) ||
      !read_bytes(parser, fields->after, &out->after) || !read_path(parser, fields->counter, &out->counter)) {
    return false;
  }
  if (!is_simple_name(out->id, strnlen(out->id, PLAN_TEXT_MAX))) {
    return parser_refuse(parser, "the id of the instance is malformed", -1);
  }
  return read_path(parser, fields->folder, &out->folder);
}

// `CONTROLLER.NAME=VALUE`
static bool check_setting(struct parser *parser, const char *setting, int index) {
  size_t name = strcspn(setting, "=");
  bool dotted = strcspn(setting, ".") < name && setting[0] != '.';
  if (dotted && is_simple_name(setting, name) && setting[name] == '=' && setting[name + 1] != '\0' &&
      strnlen(setting, PLAN_TEXT_MAX + 1) <= PLAN_TEXT_MAX) {
    return true;
  }
  return parser_refuse(parser, "a setting of the control group is malformed", index);
}

static bool read_cgroup(struct parser *parser, const struct plan_header *header) {
  struct plan *plan = parser->plan;
  if (!parser_words(parser, header->settings, PLAN_SETTINGS_MAX, &plan->settings)) return false;
  bool required = (header->flags & PLAN_CGROUP_REQUIRED) != 0;
  if (header->cgroup == 0) {
    return (plan->settings.count == 0 && !required) || parser_refuse(parser, "there is no control group to set", -1);
  }
  plan->cgroup = parser_string(parser, header->cgroup);
  if (plan->cgroup == NULL || !parser_is_normal(plan->cgroup, false)) {
    return parser_refuse(parser, "the mount point of control groups is not an absolute, normal path", -1);
  }
  if (plan->instance.folder == NULL) return parser_refuse(parser, "a control group needs an instance", -1);
  for (uint32_t i = 0; i < plan->settings.count; i++) {
    if (!check_setting(parser, plan_word(plan, plan->settings, i), (int)i)) return false;
  }
  return true;
}

static bool check_rule(struct parser *parser, const struct landlock_rule *rule, int index) {
  const char *path = parser_string(parser, rule->path);
  if (path == NULL || !parser_is_normal(path, true)) {
    return parser_refuse(parser, "the path of a rule is not absolute and normal", index);
  }
  bool within = rule->access != 0 && (rule->access & ~parser->plan->handled) == 0 && rule->reserved == 0;
  return within || parser_refuse(parser, "a rule gives rights that are not handled", index);
}

static bool read_landlock(struct parser *parser, const struct plan_header *header) {
  struct plan *plan = parser->plan;
  if (!parser_section(parser, header->rules, sizeof(struct landlock_rule), PLAN_RULES_MAX)) return false;
  plan->handled = header->handled;
  plan->scopes = header->scopes;
  plan->rules = (const struct landlock_rule *)(const void *)(plan->base + header->rules.offset);
  plan->rule_count = header->rules.count;
  if ((plan->scopes & ~(uint32_t)SCOPES_ALL) != 0) return parser_refuse(parser, "a scope is unknown", -1);
  for (uint32_t i = 0; i < plan->rule_count; i++) {
    if (!check_rule(parser, &plan->rules[i], (int)i)) return false;
  }
  return true;
}

static bool read_bounds(struct parser *parser, const struct plan_header *header) {
  bool nested = (header->flags & PLAN_NESTED) != 0;
  parser->plan->bounds = header->bounds;
  for (int i = 0; i < BOUND_COUNT; i++) {
    if (header->bounds[i] > (nested ? (uint32_t)PLAN_NAMESPACES_MAX : 0)) {
      return parser_refuse(parser, "the bounds of nested namespaces are out of range", i);
    }
  }
  return true;
}

static bool read_session(struct parser *parser, const struct plan_header *header) {
  static const struct session_fields none;
  const struct session_fields *fields = &header->session;
  struct plan_session *out = &parser->plan->session;
  if (memcmp(fields, &none, sizeof none) == 0) {
    return (header->flags & PLAN_BUS_LOG) == 0 || parser_refuse(parser, "there is no bus to log", -1);
  }
  if (parser->plan->instance.folder == NULL) return parser_refuse(parser, "a bus needs an instance", -1);
  if (!read_path(parser, fields->socket, &out->socket) || !read_bytes(parser, fields->policy, &out->policy)) return false;
  for (int i = 0; i < BUS_COUNT; i++) {
    if (fields->buses[i] != 0 && !read_path(parser, fields->buses[i], &out->buses[i])) return false;
  }
  return true;
}

bool parser_extras(struct parser *parser, const struct plan_header *header) {
  return read_instance(parser, &header->instance) && read_cgroup(parser, header) && read_landlock(parser, header) &&
         read_session(parser, header) && read_bounds(parser, header);
}
