/*
 * LD_PRELOAD: a disk that does what Linux does after a failed flush. Everything under DISK_ROOT is also kept under
 * DISK_IMAGE, but only as far as it was flushed: a write reaches the image with the next fsync of its file that succeeds.
 * An fsync that fails forgets what was written before it, and later ones do not bring it back: the pages count as
 * clean. What a machine finds after a power cut is at least the image.
 *
 * The file DISK_FAULT says which flushes fail: "once SUFFIX" (the file is removed then) or "always SUFFIX", where the
 * path of the flushed file ends in SUFFIX. Changes of names reach the image at once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define FILES_MAX 64
#define PATH_BYTES 512

typedef struct {
  off_t offset;
  size_t length;
  char *bytes;
} Written;

typedef struct {
  char path[PATH_BYTES];
  Written *writes;
  size_t count;
  size_t capacity;
} Dirty;

static Dirty files[FILES_MAX];
static size_t file_count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char *root(void) { return getenv("DISK_ROOT"); }

/* The path behind a descriptor, if it lies under the root and is one of those that are flushed. */
static int watched(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_BYTES - 1);
  if (length < 0) return 0;
  path[length] = 0;
  const char *end = length > 4 ? path + length - 4 : path;
  return strncmp(path, root(), strlen(root())) == 0 && strcmp(end, "-shm") != 0;
}

static void image_of(const char *path, char *image) {
  snprintf(image, 2 * PATH_BYTES, "%s%s", getenv("DISK_IMAGE"), path + strlen(root()));
}

static Dirty *dirty_of(const char *path) {
  for (size_t i = 0; i < file_count; i++)
    if (strcmp(files[i].path, path) == 0) return &files[i];
  if (file_count == FILES_MAX) abort();
  strcpy(files[file_count].path, path);
  return &files[file_count++];
}

/* Keeps the bytes themselves: opening and closing the file here would drop the process's locks on it. */
static void note(int fd, off_t offset, const void *bytes, ssize_t length) {
  char path[PATH_BYTES];
  if (length <= 0 || !watched(fd, path)) return;
  pthread_mutex_lock(&mutex);
  Dirty *dirty = dirty_of(path);
  if (dirty->count == dirty->capacity) {
    dirty->capacity = dirty->capacity ? 2 * dirty->capacity : 64;
    dirty->writes = realloc(dirty->writes, dirty->capacity * sizeof(Written));
  }
  char *copy = malloc((size_t)length);
  memcpy(copy, bytes, (size_t)length);
  dirty->writes[dirty->count++] = (Written){offset, (size_t)length, copy};
  pthread_mutex_unlock(&mutex);
}

static void forget(Dirty *dirty) {
  for (size_t i = 0; i < dirty->count; i++) free(dirty->writes[i].bytes);
  dirty->count = 0;
}

static void flush_to_image(const char *path) {
  char image[2 * PATH_BYTES];
  image_of(path, image);
  Dirty *dirty = dirty_of(path);
  int to = REAL(open)(image, O_WRONLY | O_CREAT, 0600);
  if (to < 0) return;
  for (size_t i = 0; i < dirty->count; i++) {
    Written *one = &dirty->writes[i];
    if (REAL(pwrite64)(to, one->bytes, one->length, one->offset) != (ssize_t)one->length) abort();
  }
  REAL(close)(to);
  forget(dirty);
}

static int fails(const char *path) {
  char text[128] = "";
  int fd = REAL(open)(getenv("DISK_FAULT"), O_RDONLY);
  if (fd < 0) return 0;
  ssize_t length = read(fd, text, sizeof text - 1);
  REAL(close)(fd);
  text[length > 0 ? length : 0] = 0;
  char *suffix = strchr(text, ' ');
  if (suffix == NULL) return 0;
  *suffix++ = 0;
  size_t wanted = strlen(suffix), has = strlen(path);
  if (has < wanted || strcmp(path + has - wanted, suffix) != 0) return 0;
  return strcmp(text, "once") != 0 || REAL(unlink)(getenv("DISK_FAULT")) == 0;
}

static int flush(int fd, int (*real)(int)) {
  char path[PATH_BYTES];
  if (!watched(fd, path)) return real(fd);
  struct stat status;
  if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) return real(fd);
  pthread_mutex_lock(&mutex);
  int failed = fails(path);
  if (failed) forget(dirty_of(path));
  else flush_to_image(path);
  pthread_mutex_unlock(&mutex);
  if (!failed) return 0;
  errno = EIO;
  return -1;
}

int fsync(int fd) { return flush(fd, REAL(fsync)); }
int fdatasync(int fd) { return flush(fd, REAL(fdatasync)); }

ssize_t write(int fd, const void *bytes, size_t length) {
  off_t offset = lseek(fd, 0, SEEK_CUR);
  ssize_t written = REAL(write)(fd, bytes, length);
  if (offset >= 0) note(fd, offset, bytes, written);
  return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  ssize_t written = REAL(pwrite64)(fd, bytes, length, offset);
  note(fd, offset, bytes, written);
  return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  ssize_t written = REAL(pwrite64)(fd, bytes, length, offset);
  note(fd, offset, bytes, written);
  return written;
}

static int cut(int fd, off64_t length) {
  char path[PATH_BYTES], image[2 * PATH_BYTES];
  if (watched(fd, path)) {
    image_of(path, image);
    truncate64(image, length);
  }
  return REAL(ftruncate64)(fd, length);
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

static int is_under_root(const char *path) { return strncmp(path, root(), strlen(root())) == 0; }

int unlink(const char *path) {
  char image[2 * PATH_BYTES];
  int result = REAL(unlink)(path);
  if (result == 0 && is_under_root(path)) {
    image_of(path, image);
    REAL(unlink)(image);
    pthread_mutex_lock(&mutex);
    forget(dirty_of(path));
    pthread_mutex_unlock(&mutex);
  }
  return result;
}

int rename(const char *from, const char *to) {
  char image_from[2 * PATH_BYTES], image_to[2 * PATH_BYTES];
  int result = REAL(rename)(from, to);
  if (result == 0 && is_under_root(to)) {
    image_of(from, image_from);
    image_of(to, image_to);
    REAL(rename)(image_from, image_to);
  }
  return result;
}

int mkdir(const char *path, mode_t mode) {
  char image[2 * PATH_BYTES];
  int result = REAL(mkdir)(path, mode);
  if (result == 0 && is_under_root(path)) {
    image_of(path, image);
    REAL(mkdir)(image, mode);
  }
  return result;
}
