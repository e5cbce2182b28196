// SPDX-License-Identifier: Apache-2.0
// A folder that the user picked comes into a running sandbox; moved.c has the argument for why nothing else does.
// A folder that takes another's place covers it from below where the kernel can (Linux 6.5), so that the app always finds one.
#include "library.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fail.h"
#include "moved.h"
#include "sys.h"

static const char usage[] = "dowel-library PID NAMESPACE NAME [ro|rw FOLDER [DEVICE]]";
static const char shelf[] = "/run/flatpak/library";

struct wish {
  struct moved_place place;
  const char *name;
  // Null where a folder is taken away.
  const char *folder;
  bool writable;
  bool has_device;
  uint64_t device;
};

static int open_target(int place, const char *name) {
  int target = sys_openat2(place, name, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (target < 0) die(STEP_TARGET, -1, errno, name, "Something else of that name lies there.");
  return target;
}

static void put(int place, const char *name, int tree) {
  if (mkdirat(moved_names(place), name, 0755) != 0 && errno != EEXIST) die(STEP_TARGET, -1, errno, name, NULL);
  if (moved_attach(tree, open_target(place, name), MOVE_MOUNT_BENEATH) == 0) {
    if (sys_umount(name, MNT_DETACH | UMOUNT_NOFOLLOW) != 0) die(STEP_MOUNT, -1, errno, name, NULL);
    return;
  }
  moved_take_away(name);
  if (moved_attach(tree, open_target(place, name), 0) != 0) die(STEP_MOUNT, -1, errno, name, NULL);
}

// What the app holds open of the folder goes on; but folders that it holds give it nothing more to write to, unless it is
// writing just now.
static void remove_name(int place, const char *name) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
  int shown = sys_openat2(place, name, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (shown < 0 && errno == ENOENT) return;
  if (shown >= 0) sys_mount_setattr(shown, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes);
  moved_take_away(name);
  if (unlinkat(moved_names(place), name, AT_REMOVEDIR) != 0 && errno != ENOENT) die(STEP_TARGET, -1, errno, name, NULL);
}

static bool is_name(const char *name) { return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL; }

static bool parse(char **words, struct wish *wish) {
  int count = 0;
  while (words[count] != NULL) count++;
  if (count != 4 && count != 6 && count != 7) return false;
  wish->name = words[3];
  if (!moved_parse_place(words, &wish->place) || !is_name(wish->name)) return false;
  if (count == 4) return true;
  wish->writable = strcmp(words[4], "rw") == 0;
  wish->folder = words[5];
  wish->has_device = count == 7;
  return (wish->writable || strcmp(words[4], "ro") == 0) && wish->folder[0] == '/' &&
         (!wish->has_device || moved_parse_number(words[6], &wish->device));
}

_Noreturn void library_run(char **words) {
  struct wish wish = {0};
  if (!parse(words, &wish)) die(STEP_USAGE, -1, 0, NULL, usage);
  const uint64_t *device = wish.has_device ? &wish.device : NULL;
  int tree = wish.folder == NULL ? -1 : moved_copy(wish.folder, S_IFDIR, wish.writable, device);
  int place = moved_enter(&wish.place, shelf);
  if (place < 0) die(STEP_TARGET, -1, ENOENT, shelf, "The sandbox was started by an older Dowel.");
  if (tree >= 0) {
    put(place, wish.name, tree);
  } else {
    remove_name(place, wish.name);
  }
  _exit(0);
}
