// SPDX-License-Identifier: Apache-2.0
// Text put together in a fixed buffer; what does not fit is cut off. No stdio, so that the monitor and init stay small.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct text {
  char *data;
  size_t capacity;
  size_t length;
};

// An empty text in `buffer`, an array. It stays a C string throughout.
#define TEXT(buffer) ((struct text){(buffer), sizeof(buffer), 0})

// Appends plain text of the program itself.
void text_add(struct text *text, const char *string);

// Appends the first bytes of a string.
void text_add_part(struct text *text, const char *string, size_t length);

// Appends foreign text; control characters become `?`, so that it can reach a terminal.
void text_add_foreign(struct text *text, const char *string);

// Appends the inside of a JSON string.
void text_add_json(struct text *text, const char *string);

void text_add_number(struct text *text, int64_t number);

// Writes all of it to a descriptor; errors are ignored, for there is nobody left to tell.
void text_write(const struct text *text, int fd);
