// SPDX-License-Identifier: Apache-2.0
// A camera, and a program that wants to film:
//   camera serve    is the camera, `eye`; PipeWire's own stops for ever when somebody is slow to give buffers back
//   camera portal   asks the Camera portal for leave and a connection to PipeWire
//   camera direct   connects to PipeWire as it finds it, and prints `memory` for each buffer and `frames` again and again
//   camera keep     as `portal`, and keeps all memory with pictures; after the end it waits for two files, `first` and `second`, in
//                   the folder of data, and prints whether the pictures have changed between them
// Who films prints what the portal answers, the nodes that it sees, `frames` once some have come, which differ and lie in memory
// of its own, and `ended` when they end.
#include <dirent.h>
#include <pipewire/pipewire.h>
#include <spa/param/video/format-utils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

static const char desktop[] = "org.freedesktop.portal.Desktop", object[] = "/org/freedesktop/portal/desktop";
static const char camera[] = "org.freedesktop.portal.Camera";
enum { wanted = 5, width = 64, height = 48, stride = width * 4 };

static struct pw_main_loop *loop;
static struct pw_core *core;
static struct pw_stream *stream;
static int synced, frames;
static uint32_t last;
static bool keeps, watches;
static struct { const unsigned char *data; size_t size; } kept[64];
static int kept_count;

static int response(sd_bus_message *signal, void *result, sd_bus_error *error) {
  (void)error;
  return sd_bus_message_read(signal, "u", (uint32_t *)result);
}

static void refused(const sd_bus_error *reason) {
  printf("refused %s\n", reason->name == NULL ? "" : reason->name);
}

// The descriptor of a connection to PipeWire; -1 where there is none.
static int ask_portal(void) {
  sd_bus *bus = NULL;
  sd_bus_error reason = SD_BUS_ERROR_NULL;
  sd_bus_message *reply = NULL;
  uint32_t answer = UINT32_MAX;
  int fd = -1;
  if (sd_bus_open_user(&bus) < 0) return -1;
  int error = sd_bus_match_signal(bus, NULL, desktop, NULL, "org.freedesktop.portal.Request", "Response", response, &answer);
  if (error >= 0)
    error = sd_bus_call_method(bus, desktop, object, camera, "AccessCamera", &reason, &reply, "a{sv}", 1, "handle_token", "s", "one");
  while (error >= 0 && answer == UINT32_MAX) error = sd_bus_process(bus, NULL) > 0 ? 0 : sd_bus_wait(bus, UINT64_MAX);
  printf("access %u\n", answer);
  error = sd_bus_call_method(bus, desktop, object, camera, "OpenPipeWireRemote", &reason, &reply, "a{sv}", 0);
  if (error >= 0) error = sd_bus_message_read(reply, "h", &fd);
  if (error < 0) refused(&reason);
  // The portal is there for as long as the connection is, so the bus stays open.
  return error < 0 ? -1 : dup(fd);
}

static void found(void *data, uint32_t id, uint32_t permissions, const char *type, uint32_t version, const struct spa_dict *properties) {
  (void)data, (void)id, (void)permissions, (void)version;
  const char *name = properties == NULL ? NULL : spa_dict_lookup(properties, PW_KEY_NODE_NAME);
  if (strcmp(type, PW_TYPE_INTERFACE_Node) == 0) printf("sees %s\n", name == NULL ? "" : name);
}
static const struct pw_registry_events registry_events = {PW_VERSION_REGISTRY_EVENTS, .global = found};

// Maps what PipeWire has given once more, where all pictures have room in it.
static void keep(void) {
  DIR *folder = opendir("/proc/self/fd");
  for (const struct dirent *entry = NULL; folder != NULL && (entry = readdir(folder)) != NULL;) {
    struct stat found;
    int fd = atoi(entry->d_name);
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode) || found.st_size < stride * height || kept_count == 64) continue;
    void *data = mmap(NULL, found.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) continue;
    kept[kept_count].data = data;
    kept[kept_count++].size = found.st_size;
  }
  if (folder != NULL) closedir(folder);
}

static uint32_t kept_sum(void) {
  uint32_t sum = 0;
  for (int i = 0; i < kept_count; i++)
    for (size_t at = 0; at < kept[i].size; at++) sum = sum * 31 + ((const volatile unsigned char *)kept[i].data)[at];
  return sum;
}

static void await_file(const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("XDG_DATA_HOME"), name);
  while (access(path, F_OK) != 0) usleep(5000);
}

static void compare(void) {
  await_file("first");
  uint32_t before = kept_sum();
  printf("looked\n");
  await_file("second");
  printf("%s %s\n", kept_count == 0 ? "nothing" : "pictures", kept_sum() == before ? "stay" : "change");
}

static void process(void *data) {
  (void)data;
  struct pw_buffer *buffer = pw_stream_dequeue_buffer(stream);
  if (buffer == NULL) return;
  const struct spa_data *part = &buffer->buffer->datas[0];
  uint32_t sum = 0;
  if (part->data != NULL)
    for (uint32_t at = 0; at + 4 <= part->chunk->size; at += 4) sum = sum * 31 + *(const uint32_t *)((const char *)part->data + at);
  pw_stream_queue_buffer(stream, buffer);
  // A picture that is the same as the one before is none that has come.
  if (sum == 0 || sum == last) return;
  last = sum;
  if (++frames % wanted != 0) return;
  if (keeps && frames == wanted) keep();
  if (watches || frames == wanted) printf("frames\n");
}

static void changed(void *data, enum pw_stream_state old, enum pw_stream_state state, const char *error) {
  (void)data, (void)old;
  if (state != PW_STREAM_STATE_ERROR && state != PW_STREAM_STATE_UNCONNECTED) return;
  printf("ended %s\n", error == NULL ? "" : error);
  pw_main_loop_quit(loop);
}
static void given(void *data, struct pw_buffer *buffer) {
  (void)data;
  if (watches && buffer->buffer->datas[0].maxsize != 0) printf("memory\n");
}
static const struct pw_stream_events stream_events = {
  PW_VERSION_STREAM_EVENTS, .state_changed = changed, .process = process, .add_buffer = given};

// A picture that differs from the one before.
static void show(void *data) {
  static uint8_t picture;
  (void)data;
  struct pw_buffer *buffer = pw_stream_dequeue_buffer(stream);
  if (buffer == NULL) return;
  struct spa_data *part = &buffer->buffer->datas[0];
  if (part->data != NULL) {
    memset(part->data, ++picture, stride * height);
    *part->chunk = (struct spa_chunk){.size = stride * height, .stride = stride};
  }
  pw_stream_queue_buffer(stream, buffer);
}

static void agreed(void *data, uint32_t id, const struct spa_pod *format) {
  uint8_t room[256];
  struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(room, sizeof room);
  (void)data;
  if (id != SPA_PARAM_Format || format == NULL) return;
  const struct spa_pod *buffers = spa_pod_builder_add_object(&builder, SPA_TYPE_OBJECT_ParamBuffers, SPA_PARAM_Buffers,
    SPA_PARAM_BUFFERS_buffers, SPA_POD_CHOICE_RANGE_Int(4, 2, 16), SPA_PARAM_BUFFERS_blocks, SPA_POD_Int(1),
    SPA_PARAM_BUFFERS_size, SPA_POD_Int(stride * height), SPA_PARAM_BUFFERS_stride, SPA_POD_Int(stride));
  pw_stream_update_params(stream, &buffers, 1);
}

static void tick(void *data, uint64_t times) {
  (void)data, (void)times;
  if (pw_stream_get_state(stream, NULL) == PW_STREAM_STATE_STREAMING) pw_stream_trigger_process(stream);
}
static const struct pw_stream_events source_events = {
  PW_VERSION_STREAM_EVENTS, .state_changed = changed, .param_changed = agreed, .process = show};

static void serve(void) {
  uint8_t room[512];
  struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(room, sizeof room);
  stream = pw_stream_new(core, "eye", pw_properties_new(PW_KEY_MEDIA_CLASS, "Video/Source", PW_KEY_MEDIA_ROLE, "Camera", PW_KEY_NODE_NAME, "eye", PW_KEY_NODE_DESCRIPTION, "Eye", NULL));
  static struct spa_hook hook;
  pw_stream_add_listener(stream, &hook, &source_events, NULL);
  const struct spa_pod *format = spa_pod_builder_add_object(&builder, SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat,
    SPA_FORMAT_mediaType, SPA_POD_Id(SPA_MEDIA_TYPE_video), SPA_FORMAT_mediaSubtype, SPA_POD_Id(SPA_MEDIA_SUBTYPE_raw),
    SPA_FORMAT_VIDEO_format, SPA_POD_Id(SPA_VIDEO_FORMAT_BGRx), SPA_FORMAT_VIDEO_size, SPA_POD_Rectangle(&SPA_RECTANGLE(width, height)),
    SPA_FORMAT_VIDEO_framerate, SPA_POD_Fraction(&SPA_FRACTION(25, 1)));
  pw_stream_connect(stream, PW_DIRECTION_OUTPUT, PW_ID_ANY, PW_STREAM_FLAG_DRIVER | PW_STREAM_FLAG_MAP_BUFFERS, &format, 1);
}

static void film(void) {
  uint8_t room[1024];
  struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(room, sizeof room);
  stream = pw_stream_new(core, "film", pw_properties_new(PW_KEY_MEDIA_TYPE, "Video", PW_KEY_MEDIA_CATEGORY, "Capture", PW_KEY_MEDIA_ROLE, "Camera", NULL));
  static struct spa_hook hook;
  pw_stream_add_listener(stream, &hook, &stream_events, NULL);
  const struct spa_pod *format = spa_pod_builder_add_object(&builder, SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat,
    SPA_FORMAT_mediaType, SPA_POD_Id(SPA_MEDIA_TYPE_video), SPA_FORMAT_mediaSubtype, SPA_POD_Id(SPA_MEDIA_SUBTYPE_raw));
  int error = pw_stream_connect(stream, PW_DIRECTION_INPUT, PW_ID_ANY, PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS, &format, 1);
  if (error < 0) changed(NULL, 0, PW_STREAM_STATE_ERROR, strerror(-error));
}

static void done(void *data, uint32_t id, int serial) {
  (void)data;
  if (id == PW_ID_CORE && serial == synced) film();
}

static void failed(void *data, uint32_t id, int serial, int result, const char *message) {
  (void)data, (void)serial;
  printf("error %s\n", message);
  if (id == PW_ID_CORE && result == -EPIPE) pw_main_loop_quit(loop);
}
static const struct pw_core_events core_events = {PW_VERSION_CORE_EVENTS, .done = done, .error = failed};

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  pw_init(&argc, &argv);
  const char *mode = argc == 2 ? argv[1] : "";
  keeps = strcmp(mode, "keep") == 0;
  watches = strcmp(mode, "direct") == 0;
  int fd = keeps || strcmp(mode, "portal") == 0 ? ask_portal() : -2;
  if (fd == -1) return 0;
  loop = pw_main_loop_new(NULL);
  struct pw_context *context = pw_context_new(pw_main_loop_get_loop(loop), NULL, 0);
  if (context != NULL) core = fd >= 0 ? pw_context_connect_fd(context, fd, NULL, 0) : pw_context_connect(context, NULL, 0);
  if (core == NULL) {
    puts("no connection");
    return 0;
  }
  static struct spa_hook hook, registry_hook;
  pw_core_add_listener(core, &hook, &core_events, NULL);
  pw_registry_add_listener(pw_core_get_registry(core, PW_VERSION_REGISTRY, 0), &registry_hook, &registry_events, NULL);
  if (strcmp(mode, "serve") == 0) {
    struct pw_loop *events = pw_main_loop_get_loop(loop);
    struct timespec every = {.tv_nsec = 40000000};
    serve();
    pw_loop_update_timer(events, pw_loop_add_timer(events, tick, NULL), &every, &every, false);
  } else synced = pw_core_sync(core, PW_ID_CORE, 0);
  pw_main_loop_run(loop);
  if (keeps) compare();
  return 0;
}
