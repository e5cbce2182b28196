// SPDX-License-Identifier: Apache-2.0
// Names and texts of the errors that the launcher's system calls can give.
#include <errno.h>
#include <stddef.h>
#include <string.h>

struct error_text {
  int number;
  const char *name;
  const char *text;
};

static const struct error_text error_texts[] = {
    {EPERM, "EPERM", "Operation not permitted"},
    {ENOENT, "ENOENT", "No such file or directory"},
    {EIO, "EIO", "Input/output error"},
    {ENXIO, "ENXIO", "No such device or address"},
    {E2BIG, "E2BIG", "Argument list too long"},
    {ENOEXEC, "ENOEXEC", "Exec format error"},
    {EBADF, "EBADF", "Bad file descriptor"},
    {EAGAIN, "EAGAIN", "Resource temporarily unavailable"},
    {ENOMEM, "ENOMEM", "Cannot allocate memory"},
    {EACCES, "EACCES", "Permission denied"},
    {EFAULT, "EFAULT", "Bad address"},
    {EBUSY, "EBUSY", "Device or resource busy"},
    {EEXIST, "EEXIST", "File exists"},
    {EXDEV, "EXDEV", "Invalid cross-device link"},
    {ENODEV, "ENODEV", "No such device"},
    {ENOTDIR, "ENOTDIR", "Not a directory"},
    {EISDIR, "EISDIR", "Is a directory"},
    {EINVAL, "EINVAL", "Invalid argument"},
    {ENFILE, "ENFILE", "Too many open files in system"},
    {EMFILE, "EMFILE", "Too many open files"},
    {ETXTBSY, "ETXTBSY", "Text file busy"},
    {EFBIG, "EFBIG", "File too large"},
    {ENOSPC, "ENOSPC", "No space left on device"},
    {EROFS, "EROFS", "Read-only file system"},
    {ENAMETOOLONG, "ENAMETOOLONG", "File name too long"},
    {ENOSYS, "ENOSYS", "Function not implemented"},
    {ELOOP, "ELOOP", "Too many levels of symbolic links"},
    {EOVERFLOW, "EOVERFLOW", "Value too large for defined data type"},
    {EUSERS, "EUSERS", "Too many users"},
    {EOPNOTSUPP, "EOPNOTSUPP", "Operation not supported"},
    {ELIBBAD, "ELIBBAD", "Accessing a corrupted shared library"},
    {ESTALE, "ESTALE", "Stale file handle"},
};

static const struct error_text *find(int number) {
  for (size_t i = 0; i < sizeof error_texts / sizeof error_texts[0]; i++) {
    if (error_texts[i].number == number) return &error_texts[i];
  }
  return NULL;
}

const char *strerrorname_np(int number) {
  const struct error_text *found = find(number);
  return found == NULL ? NULL : found->name;
}

const char *strerrordesc_np(int number) {
  const struct error_text *found = find(number);
  return found == NULL ? "Unknown error" : found->text;
}
