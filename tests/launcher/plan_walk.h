// SPDX-License-Identifier: Apache-2.0
// Uses a plan in every way that the launcher does, so that a sanitizer sees any access that the check should have
// forbidden, and ends the program where an accepted plan breaks a promise of plan.h.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "plan.h"

static size_t walked;

static void must(bool condition) {
  if (!condition) abort();
}

static void walk_string(const char *string) { walked += strlen(string); }

static void walk_path(const char *path) {
  walk_string(path);
  must(path[0] == '/' && strstr(path, "//") == NULL && strstr(path, "/../") == NULL && strstr(path, "/./") == NULL);
}

static void walk_words(const struct plan *plan, struct words words) {
  for (uint32_t i = 0; i < words.count; i++) walk_string(plan_word(plan, words, i));
}

static void walk_mount(const struct plan *plan, uint32_t index) {
  const struct mount_operation *one = &plan->mounts[index];
  const char *target = plan_string(plan, one->target);
  walk_path(target);
  must(strcmp(target, "/") != 0 && one->kind >= MOUNT_BIND && one->kind <= MOUNT_BUS);
  if (one->kind == MOUNT_BIND) walk_path(plan_string(plan, one->source));
  if (one->kind == MOUNT_BUS) must(plan->session.buses[one->data] != NULL);
  if (one->kind == MOUNT_SYMLINK) walk_string(plan_string(plan, one->source));
  for (uint32_t i = 0; one->kind == MOUNT_FILE && i < one->data_length; i++) {
    walked += (size_t)(plan->base[one->data + i] != 0);
  }
  if (one->kind >= MOUNT_DIRECTORY && one->kind <= MOUNT_FILE) must(plan_can_create(plan, index, target));
}

static void walk_bytes(struct bytes bytes) {
  for (uint32_t i = 0; i < bytes.length; i++) walked += (size_t)(bytes.data[i] != 0);
}

static void walk_instance(const struct plan *plan) {
  const struct plan_instance *one = &plan->instance;
  if (one->folder == NULL) {
    must(plan->cgroup == NULL);
    return;
  }
  walk_path(one->folder);
  walk_path(one->counter);
  must(one->id[0] != '\0' && one->id[0] != '.' && strchr(one->id, '/') == NULL);
  walk_string(one->ref);
  walk_string(one->image);
  walk_bytes(one->before);
  walk_bytes(one->after);
}

static void walk_session(const struct plan *plan) {
  const struct plan_session *one = &plan->session;
  if (one->socket == NULL) {
    must((plan->flags & PLAN_BUS_LOG) == 0);
    return;
  }
  must(plan->instance.folder != NULL);
  walk_path(one->socket);
  walk_bytes(one->policy);
  for (int i = 0; i < BUS_COUNT; i++) {
    if (one->buses[i] != NULL) walk_path(one->buses[i]);
  }
}

static void walk_extras(const struct plan *plan) {
  walk_instance(plan);
  walk_session(plan);
  if (plan->cgroup != NULL) walk_path(plan->cgroup);
  must(plan->cgroup != NULL || (plan->settings.count == 0 && (plan->flags & PLAN_CGROUP_REQUIRED) == 0));
  for (uint32_t i = 0; i < plan->settings.count; i++) {
    const char *setting = plan_word(plan, plan->settings, i);
    const char *value = strchr(setting, '=');
    must(value != NULL && value[1] != '\0' && memchr(setting, '/', (size_t)(value - setting)) == NULL);
  }
  for (uint32_t i = 0; i < plan->rule_count; i++) {
    walk_path(plan_string(plan, plan->rules[i].path));
    must((plan->rules[i].access & ~plan->handled) == 0);
  }
  for (int i = 0; i < BOUND_COUNT; i++) must(plan->bounds[i] == 0 || (plan->flags & PLAN_NESTED) != 0);
}

static void walk_plan(const struct plan *plan) {
  walk_words(plan, plan->key);
  walk_words(plan, plan->lowers);
  walk_words(plan, plan->command);
  for (uint32_t i = 0; i < plan->held.count; i++) walk_path(plan_word(plan, plan->held, i));
  walk_words(plan, plan->set);
  walk_words(plan, plan->unset);
  walk_extras(plan);
  must(plan->command.count > 0 && plan->lowers.count >= PLAN_LOWERS_MIN);
  if (plan->hostname != NULL) walk_string(plan->hostname);
  if (plan->cwd != NULL) walk_path(plan->cwd);
  for (uint32_t i = 0; i < plan->record_count; i++) {
    walk_string(plan_string(plan, plan->record[i].name));
    if (plan->record[i].kind == OBSERVE_VARIABLE) walk_string(plan_string(plan, plan->record[i].value));
  }
  for (uint32_t i = 0; i < plan->mount_count; i++) walk_mount(plan, i);
  for (size_t i = 0; i < plan->filter_count * (size_t)8; i++) walked += ((const unsigned char *)plan->filter)[i];
}
