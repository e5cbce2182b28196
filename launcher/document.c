// SPDX-License-Identifier: Apache-2.0
// A file that was exported to an app comes into its running sandbox; moved.c has the argument for why nothing else does.
// Each is in a folder of its own, /run/flatpak/doc/ID, which is a mount, too, so that the app cannot move it away. That
// folder gives the app no right to write rather than being read-only: a file beside this one would be nowhere on the host,
// and EACCES is what lets programs write to the file itself. One that the app gives itself the right leads it nowhere.
#include "document.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "fail.h"
#include "moved.h"
#include "run.h"
#include "sys.h"

static const char usage[] = "dowel-document PID NAMESPACE ID NAME [ro|rw PATH]";
static const char shelf[] = "/run/flatpak/doc";
static const char made_hint[] = "Something else of that name lies there; the app could have made it.";

struct document {
  const char *id;
  const char *name;
  // The detached mount.
  int tree;
  bool writable;
  bool folder;
};

static int open_name(int folder, const char *name, uint64_t flags) {
  return sys_openat2(folder, name, O_PATH | O_CLOEXEC | flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

static bool is_mounted(int fd, const char *name) {
  struct statx status;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_MODE, &status) != 0) die(STEP_TARGET, -1, errno, name, NULL);
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

// The document's folder, as a mount of its own.
static int own_folder(int place, const char *id) {
  int folder = open_name(place, id, O_DIRECTORY);
  if (folder >= 0 && is_mounted(folder, id)) return folder;
  if (folder < 0 && mkdirat(moved_names(place), id, 0500) != 0) die(STEP_TARGET, -1, errno, id, NULL);
  folder = open_name(place, id, O_DIRECTORY);
  if (folder < 0) die(STEP_TARGET, -1, errno, id, NULL);
  if (moved_attach(moved_names(folder), folder, 0) != 0) die(STEP_MOUNT, -1, errno, id, NULL);
  folder = open_name(place, id, O_DIRECTORY);
  if (folder < 0) die(STEP_TARGET, -1, errno, id, NULL);
  return folder;
}

// Whether the very same file is there with the same rights, so that nothing is to be done.
static bool is_there(int target, const struct document *document) {
  struct stat wanted;
  struct stat found;
  struct statfs mount;
  if (fstat(document->tree, &wanted) != 0 || fstat(target, &found) != 0) return false;
  if (syscall(SYS_fstatfs, (long)target, &mount) != 0) return false;
  bool writable = ((unsigned long)mount.f_flags & ST_RDONLY) == 0;
  return wanted.st_dev == found.st_dev && wanted.st_ino == found.st_ino && writable == document->writable;
}

// Puts the new mount under the one that is there, and takes that away: there is no moment without a file (Linux 6.5).
static bool exchange(int target, const struct document *document) {
  if (moved_attach(document->tree, target, MOVE_MOUNT_BENEATH) != 0) return false;
  if (sys_umount(document->name, MNT_DETACH | UMOUNT_NOFOLLOW) != 0) die(STEP_MOUNT, -1, errno, document->name, NULL);
  return true;
}

// What the app holds open of a document goes on, but gives it nothing more to write to, unless it is writing just now.
static void close_for_writing(int shown) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
  if (shown >= 0) sys_mount_setattr(shown, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes);
}

static void remove_point(int folder, const char *name) {
  moved_take_away(name);
  if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) return;
  if (unlinkat(folder, name, AT_REMOVEDIR) != 0) die(STEP_TARGET, -1, errno, name, made_hint);
}

// The mount point gives nobody any right, so that it is never taken for an empty file.
static int make_point(int folder, const struct document *document) {
  int made = document->folder ? mkdirat(folder, document->name, 0)
                              : openat(folder, document->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);
  if (made < 0) die(STEP_TARGET, -1, errno, document->name, NULL);
  int target = open_name(folder, document->name, 0);
  if (target < 0) die(STEP_TARGET, -1, errno, document->name, made_hint);
  return target;
}

static void put(int folder, const struct document *document) {
  int there = open_name(folder, document->name, 0);
  if (there >= 0 && is_there(there, document)) return;
  if (there >= 0 && is_mounted(there, document->name)) {
    if (!document->writable) close_for_writing(there);
    if (exchange(there, document)) return;
  }
  remove_point(folder, document->name);
  if (moved_attach(document->tree, make_point(folder, document), 0) != 0) {
    die(STEP_MOUNT, -1, errno, document->name, NULL);
  }
}

static void take_away(int place, const struct document *document) {
  int folder = open_name(place, document->id, O_DIRECTORY);
  if (folder < 0 && errno == ENOENT) return;
  if (folder < 0 || fchdir(folder) != 0) die(STEP_TARGET, -1, errno, document->id, NULL);
  int shown = open_name(folder, document->name, 0);
  if (shown >= 0 && is_mounted(shown, document->name)) close_for_writing(shown);
  remove_point(folder, document->name);
  if (fchdir(place) != 0) die(STEP_TARGET, -1, errno, shelf, NULL);
  moved_take_away(document->id);
  // What else the app may have made there is its own, and no document.
  unlinkat(moved_names(place), document->id, AT_REMOVEDIR);
}

static bool is_name(const char *name) {
  return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static void copy(struct document *document, const char *path) {
  struct stat found;
  document->tree = moved_copy(path, 0, document->writable, NULL);
  if (fstat(document->tree, &found) != 0) die(STEP_SOURCE, -1, errno, path, NULL);
  document->folder = S_ISDIR(found.st_mode);
}

_Noreturn void document_run(char **words) {
  struct moved_place sandbox;
  int count = 0;
  while (words[count] != NULL) count++;
  bool shows = count == 7;
  if ((count != 5 && !shows) || !moved_parse_place(words, &sandbox) || !is_name(words[3]) || !is_name(words[4])) {
    die(STEP_USAGE, -1, 0, NULL, usage);
  }
  struct document document = {.id = words[3], .name = words[4], .tree = -1};
  if (shows) {
    document.writable = strcmp(words[5], "rw") == 0;
    if ((!document.writable && strcmp(words[5], "ro") != 0) || words[6][0] != '/') die(STEP_USAGE, -1, 0, NULL, usage);
    copy(&document, words[6]);
  }
  int place = moved_enter(&sandbox, shelf);
  // A sandbox that was started without documents stays without.
  if (place < 0) _exit(0);
  if (!shows) {
    take_away(place, &document);
    _exit(0);
  }
  int folder = own_folder(place, document.id);
  if (fchdir(folder) != 0) die(STEP_TARGET, -1, errno, document.id, NULL);
  put(folder, &document);
  _exit(0);
}
