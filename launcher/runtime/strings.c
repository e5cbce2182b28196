// SPDX-License-Identifier: Apache-2.0
// The C library's functions on memory and strings, only as far as the launcher uses them. Short texts; plain loops do.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  for (size_t i = 0; i < size; i++) ((char *)to)[i] = ((const char *)from)[i];
  return to;
}

void *memset(void *to, int byte, size_t size) {
  for (size_t i = 0; i < size; i++) ((char *)to)[i] = (char)byte;
  return to;
}

int memcmp(const void *left, const void *right, size_t size) {
  const unsigned char *a = left;
  const unsigned char *b = right;
  for (size_t i = 0; i < size; i++) {
    if (a[i] != b[i]) return a[i] - b[i];
  }
  return 0;
}

size_t strnlen(const char *string, size_t max) {
  size_t length = 0;
  while (length < max && string[length] != '\0') length++;
  return length;
}

size_t strlen(const char *string) { return strnlen(string, (size_t)-1); }

int strncmp(const char *left, const char *right, size_t max) {
  for (size_t i = 0; i < max; i++) {
    if (left[i] != right[i]) return (unsigned char)left[i] - (unsigned char)right[i];
    if (left[i] == '\0') return 0;
  }
  return 0;
}

int strcmp(const char *left, const char *right) { return strncmp(left, right, (size_t)-1); }

char *strchr(const char *string, int byte) {
  for (;; string++) {
    if (*string == (char)byte) return (char *)(uintptr_t)string;
    if (*string == '\0') return NULL;
  }
}

char *strrchr(const char *string, int byte) {
  const char *last = NULL;
  for (const char *next = string; (next = strchr(next, byte)) != NULL; next++) {
    last = next;
    if (*next == '\0') break;
  }
  return (char *)(uintptr_t)last;
}

size_t strcspn(const char *string, const char *stop) {
  size_t length = 0;
  while (string[length] != '\0' && strchr(stop, string[length]) == NULL) length++;
  return length;
}

char *getenv(const char *name) {
  size_t length = strlen(name);
  for (char **one = environ; *one != NULL; one++) {
    if (strncmp(*one, name, length) == 0 && (*one)[length] == '=') return *one + length + 1;
  }
  return NULL;
}
