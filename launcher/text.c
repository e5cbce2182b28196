// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <errno.h>
#include <unistd.h>

static void add_byte(struct text *text, char byte) {
  if (text->length + 1 >= text->capacity) return;
  text->data[text->length++] = byte;
  text->data[text->length] = '\0';
}

static int is_control(char byte) { return (unsigned char)byte < 0x20 || byte == 0x7f; }

void text_add(struct text *text, const char *string) {
  for (; *string != '\0'; string++) add_byte(text, *string);
}

void text_add_part(struct text *text, const char *string, size_t length) {
  for (size_t i = 0; i < length; i++) add_byte(text, string[i]);
}

void text_add_foreign(struct text *text, const char *string) {
  for (; *string != '\0'; string++) add_byte(text, is_control(*string) ? '?' : *string);
}

void text_add_json(struct text *text, const char *string) {
  static const char digits[] = "0123456789abcdef";
  for (; *string != '\0'; string++) {
    if (is_control(*string)) {
      text_add(text, "\\u00");
      add_byte(text, digits[(unsigned char)*string >> 4]);
      add_byte(text, digits[*string & 0xf]);
    } else {
      if (*string == '"' || *string == '\\') add_byte(text, '\\');
      add_byte(text, *string);
    }
  }
}

void text_add_number(struct text *text, int64_t number) {
  char digits[20];
  size_t count = 0;
  uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  do {
    digits[count++] = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (number < 0) add_byte(text, '-');
  while (count > 0) add_byte(text, digits[--count]);
}

void text_write(const struct text *text, int fd) {
  size_t done = 0;
  while (done < text->length) {
    ssize_t count = write(fd, text->data + done, text->length - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    done += (size_t)count;
  }
}
