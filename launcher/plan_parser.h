// SPDX-License-Identifier: Apache-2.0
// What the two halves of the plan's check share. Each answers false after noting the reason.
#pragma once

#include "plan.h"

struct parser {
  struct plan *plan;
  struct plan_section strings;
  struct plan_error *error;
};

bool parser_refuse(struct parser *parser, const char *reason, int index);
bool parser_section(struct parser *parser, struct plan_section section, size_t size, uint32_t max);
// Null where the offset is out of bounds.
const char *parser_string(const struct parser *parser, uint32_t offset);
bool parser_is_normal(const char *path, bool root_allowed);
bool parser_words(struct parser *parser, struct plan_section section, uint32_t max, struct words *out);

// plan_extras.c: instance, control group, Landlock, nested namespaces.
bool parser_extras(struct parser *parser, const struct plan_header *header);
