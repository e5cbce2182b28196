// SPDX-License-Identifier: Apache-2.0
// `plan-check dump FILE` prints an accepted plan, or why it is refused. `plan-check damage FILE` tries every shorter
// length and every changed byte; it ends abnormally where one of them is accepted and then leads out of bounds.
#include <stdio.h>

#include "plan_walk.h"

static uint8_t *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  uint8_t *data = malloc(*size + 1);
  if (data != NULL && fread(data, 1, *size, file) != *size) abort();
  fclose(file);
  return data;
}

// The copy has exactly the plan's size, so that reading past it is noticed.
static bool is_accepted(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size == 0 ? 1 : size);
  if (copy == NULL) abort();
  memcpy(copy, data, size);
  struct plan plan;
  struct plan_error error;
  bool accepted = plan_parse(copy, size, &plan, &error) == 0;
  if (accepted) walk_plan(&plan);
  free(copy);
  return accepted;
}

// Cut short, but with the length that the header then should have.
static bool is_accepted_cut(const uint8_t *data, size_t length) {
  uint8_t *copy = malloc(length + 1);
  if (copy == NULL) abort();
  memcpy(copy, data, length);
  uint32_t claimed = (uint32_t)length;
  if (length >= sizeof(struct plan_header)) memcpy(copy + offsetof(struct plan_header, length), &claimed, 4);
  bool accepted = is_accepted(copy, length) || is_accepted(data, length);
  free(copy);
  return accepted;
}

static int damage(uint8_t *data, size_t size) {
  static const uint8_t changes[] = {0x01, 0x80, 0xff, 0x2f};
  size_t truncations = 0;
  size_t flips = 0;
  for (size_t length = 0; length < size; length++) truncations += is_accepted_cut(data, length);
  for (size_t i = 0; i < size; i++) {
    for (size_t c = 0; c < sizeof changes; c++) {
      data[i] ^= changes[c];
      flips += is_accepted(data, size);
      data[i] ^= changes[c];
    }
  }
  printf("{\"truncationsAccepted\":%zu,\"changesAccepted\":%zu,\"bytes\":%zu}\n", truncations, flips, size);
  return 0;
}

static void dump_words(const struct plan *plan, const char *name, struct words words) {
  printf("%s %u\n", name, words.count);
  for (uint32_t i = 0; i < words.count; i++) printf("  %s\n", plan_word(plan, words, i));
}

static void dump_mount(const struct plan *plan, const struct mount_operation *one) {
  static const char *const names[] = {"", "bind", "tmpfs", "proc", "dev", "directory", "symlink", "file", "seal",
                                      "instance", "info"};
  printf("  %s %s flags=%u mode=%o size=%llu", names[one->kind], plan_string(plan, one->target), one->flags, one->mode,
         (unsigned long long)one->size);
  if (one->source != 0) printf(" source=%s", plan_string(plan, one->source));
  if (one->kind == MOUNT_FILE) printf(" data=%.*s", (int)one->data_length, plan->base + one->data);
  printf("\n");
}

static void dump_observation(const struct plan *plan, const struct observation *one) {
  static const char *const names[] = {"", "absent", "present", "inode", "variable", "novariable"};
  printf("  %s %s", names[one->kind], plan_string(plan, one->name));
  if (one->kind == OBSERVE_VARIABLE) printf("=%s", plan_string(plan, one->value));
  if (one->kind == OBSERVE_PRESENT || one->kind == OBSERVE_INODE) {
    printf(" type=%o device=%llu inode=%llu size=%llu mtime=%lld ctime=%lld", one->type,
           (unsigned long long)one->device, (unsigned long long)one->inode, (unsigned long long)one->size,
           (long long)one->mtime, (long long)one->ctime);
  }
  printf("\n");
}

static void dump_instance(const struct plan *plan) {
  const struct plan_instance *one = &plan->instance;
  if (one->folder == NULL) return;
  printf("instance %s %s id=%s ref=%s image=%s info=%.*s#%.*s\n", one->folder, one->counter, one->id, one->ref,
         one->image, (int)one->before.length, one->before.data, (int)one->after.length, one->after.data);
}

static void dump_extras(const struct plan *plan) {
  dump_instance(plan);
  if (plan->cgroup != NULL) printf("cgroup %s\n", plan->cgroup);
  dump_words(plan, "settings", plan->settings);
  printf("landlock handled=%llx scopes=%u rules=%u\n", (unsigned long long)plan->handled, plan->scopes,
         plan->rule_count);
  for (uint32_t i = 0; i < plan->rule_count; i++) {
    printf("  %s %llx\n", plan_string(plan, plan->rules[i].path), (unsigned long long)plan->rules[i].access);
  }
  printf("bounds");
  for (int i = 0; i < BOUND_COUNT; i++) printf(" %u", plan->bounds[i]);
  printf("\n");
}

static int dump(const uint8_t *data, size_t size) {
  struct plan plan;
  struct plan_error error;
  if (plan_parse(data, size, &plan, &error) != 0) {
    printf("refused %d: %s\n", error.index, error.reason);
    return 1;
  }
  printf("flags %u\nhostname %s\ncwd %s\n", plan.flags, plan.hostname == NULL ? "-" : plan.hostname,
         plan.cwd == NULL ? "-" : plan.cwd);
  dump_words(&plan, "key", plan.key);
  dump_words(&plan, "lowers", plan.lowers);
  dump_words(&plan, "held", plan.held);
  dump_words(&plan, "command", plan.command);
  dump_words(&plan, "set", plan.set);
  dump_words(&plan, "unset", plan.unset);
  dump_extras(&plan);
  printf("filter %u\nrecord %u\n", plan.filter_count, plan.record_count);
  for (uint32_t i = 0; i < plan.record_count; i++) dump_observation(&plan, &plan.record[i]);
  printf("mounts %u\n", plan.mount_count);
  for (uint32_t i = 0; i < plan.mount_count; i++) dump_mount(&plan, &plan.mounts[i]);
  return 0;
}

int main(int count, char **words) {
  size_t size = 0;
  uint8_t *data = count == 3 ? read_file(words[2], &size) : NULL;
  if (data == NULL) return 2;
  int result = strcmp(words[1], "damage") == 0 ? damage(data, size) : dump(data, size);
  free(data);
  return result;
}
